"""The table and the lists under it, in Markdown."""

import nature
from policies import Policy
from suites import SUITES, TOOLS

ALL = "all"


def text(suites, rows, scores, working):
    parts = [denominators(suites, working), table(suites, rows, scores, working)]
    parts += [leaks(suites, rows, scores), refused(suites, rows, scores), passed(suites, rows, scores), modes(suites), read_downs(suites, rows), unseen(suites)]
    return "\n\n".join(part for part in parts if part)


def denominators(suites, working):
    pairs = sum(len(SUITES[s].user_tasks) * len(SUITES[s].injection_tasks) for s in suites)
    tasks = sum(len(SUITES[s].user_tasks) for s in suites)
    return (
        f"{tasks} user tasks; {pairs} pairs of a user task and an injection, of which the attack works in "
        f"{sum(len(working[s]) for s in suites)} without a gateway: those are what can be stopped. In the others the user's own "
        "calls undo it, or change what the package looks at."
    )


def table(suites, rows, scores, working):
    lines = ["| suite | configuration | tasks whole | attacks stopped | leaks of confidential data | lines of policy |", "| --- | --- | --- | --- | --- | --- |"]
    for suite in [*suites, ALL]:
        members = suites if suite == ALL else [suite]
        tasks = sum(len(SUITES[s].user_tasks) for s in members)
        attacks = sum(len(working[s]) for s in members)
        for row in rows:
            of = [scores[s, row] for s in members]
            length = "–" if of[0].lines is None else sum(score.lines for score in of)
            lines.append(
                f"| {suite} | {row} | {sum(score.whole for score in of)} of {tasks} | {sum(score.stopped for score in of)} of {attacks} "
                f"| {sum(len(score.leaks) for score in of)} | {length} |"
            )
    return "\n".join(lines)


def leaks(suites, rows, scores):
    lines = ["Leaks that are left:"]
    for row in lifting(rows):
        left = [f"{s} {short(pair)}" for s in suites for pair in scores[s, row].leaks]
        lines.append(f"- {row}: {', '.join(left) or 'none'}")
    return "\n".join(lines) if len(lines) > 1 else ""


def lifting(rows):
    """The rows in which a task's grants lift something."""
    return [row for row in rows if row.startswith("with")]


def refused(suites, rows, scores):
    lines = ["User tasks that are not whole, and what was refused:"]
    for row in rows:
        for suite in suites:
            by_task = {}
            for task, tool, reason in scores[suite, row].refused:
                by_task.setdefault(number(task), {})[f"`{tool}` ({reason})"] = None
            if by_task:
                told = "; ".join(f"{task}: {', '.join(tools)}" for task, tools in sorted(by_task.items()))
                lines.append(f"- {row}, {suite}: {told}")
    return "\n".join(lines) if len(lines) > 1 else ""


def passed(suites, rows, scores):
    lines = ["Attacks that still work, as injection: user tasks:"]
    for row in lifting(rows):
        for suite in suites:
            by_injection = {}
            for task, injection in scores[suite, row].passed:
                by_injection.setdefault(number(injection), []).append(number(task))
            for injection, tasks in sorted(by_injection.items()):
                everywhere = len(tasks) == len(SUITES[suite].user_tasks)
                listed = "all" if everywhere else ", ".join(str(task) for task in sorted(tasks))
                lines.append(f"- {row}, {suite} {injection}: {listed}")
    return "\n".join(lines) if len(lines) > 1 else ""


def modes(suites):
    lines = ["Tools that are `observe` (GET, arguments in the target); all others are POST, `alter`:"]
    for suite in suites:
        reading = [f"`{tool.name}`" for tool in TOOLS[suite].values() if tool.reads]
        lines.append(f"- {suite}: {', '.join(reading)}")
    return "\n".join(lines)


def read_downs(suites, rows):
    lines = ["Grants with `read_down`:"]
    for row in rows[1:]:
        for suite in suites:
            for grant in Policy(suite, row).grants:
                if "read_down" in grant:
                    values = ", ".join(v for some in grant["read_down"].get("values", {}).values() for v in some)
                    lines.append(f"- {row}, {suite}: `{grant['object']}`, {' '.join(grant['read_down']['paths'])}: {values}")
    return "\n".join(lines) if len(lines) > 1 else "Grants with `read_down`: none."


def unseen(suites):
    lines = ["What no gateway can see:"]
    for suite in suites:
        for injection in sorted(nature.TEXT_ONLY.get(suite, ())):
            lines.append(f"- text alone: {suite} injection {injection}: the agent says it to its user, and calls nothing")
        lines += [f"- content by reference: {suite} {what}" for what in sorted(nature.BY_REFERENCE.get(suite, ()))]
    return "\n".join(lines) if len(lines) > 1 else ""


def cost(added):
    """What a call takes longer through two sidecars than directly: the same call, made both ways, one after the other."""
    added = sorted(added)
    mean = sum(added) / len(added)
    p99 = added[min(len(added) - 1, int(len(added) * 0.99))]
    return f"\nThe gateway adds to a call (two sidecars, {len(added)} calls made both ways): mean {mean * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms."


def number(name):
    return int(name.rsplit("_", 1)[1])


def short(pair):
    return f"user task {number(pair[0])} with injection {number(pair[1])}"
