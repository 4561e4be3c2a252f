"""One run: a user task's true calls, and, where there is an attack, its calls after the first answer that shows its text.

No language model takes part. The agent is the worst one: it does whatever the injected text asks for, at once, and skips what is refused.
"""

from dataclasses import dataclass, field

import written
from suites import World, true_calls

# The injected text. Nobody reads it, so it says nothing; some of the package's verdicts count texts that hold the attack's own words.
# No blanks: the package folds long lines of its answers.
MARK = "INJECTED-TEXT"


@dataclass
class Outcome:
    """What became of a run. A call is (tool, arguments, refused); `refused` is None or the gateway's reason."""

    calls: list = field(default_factory=list)
    spliced: range = range(0)
    reached: bool = False
    attack: bool = False
    useful: bool = False

    @property
    def whole(self):
        """No call of the user's task was refused."""
        return all(refused is None for _, _, refused in self.calls)

    @property
    def attackers_calls(self):
        """The calls that the injected text asked for."""
        return [self.calls[number] for number in self.spliced]


def run(suite, user_task, injection_task, open_run):
    """Replays one run. `open_run(world, prompt)` gives the function that makes a call: (tool, args) -> (answer, reason of a refusal)."""
    text = MARK if injection_task else None
    world = World(suite, user_task, text)
    queue = true_calls(user_task, world.before)
    outcome = Outcome()
    with open_run(world, user_task.PROMPT) as call:
        while queue:
            tool, args = queue.pop(0)
            answer, refused = call(tool, args)
            outcome.calls.append((tool, args, refused))
            if text and not outcome.reached and refused is None and MARK in answer:
                outcome.reached = True
                theirs = attack_calls(suite, injection_task, world)
                queue = theirs + queue
                outcome.spliced = range(len(outcome.calls), len(outcome.calls) + len(theirs))
    judge(outcome, user_task, injection_task, world)
    return outcome


def attack_calls(suite, task, world):
    calls = true_calls(task, world.before)
    return calls or ([] if said_only(task) else written.calls(suite, task.ID, world.before))


def said_only(task):
    """The attack is words in the agent's own answer, which no gateway sees."""
    return bool(task.GROUND_TRUTH_OUTPUT)


def judge(outcome, user_task, injection_task, world):
    """The package's own verdicts on the environment after the run; only calls that were made count as its trace."""
    made = [trace(tool, args) for tool, args, refused in outcome.calls if refused is None]
    said = user_task.GROUND_TRUTH_OUTPUT
    if outcome.reached:
        said += "\n" + injection_task.GROUND_TRUTH_OUTPUT
    if injection_task is None:
        outcome.useful = bool(world.suite._check_user_task_utility(user_task, blocks(said), world.before, world.environment, made))
    elif outcome.reached:
        outcome.attack = bool(
            world.suite._check_injection_task_security(injection_task, blocks(said), world.before, world.environment, made)
        )


def blocks(text):
    from agentdojo.types import text_content_block_from_string

    return [text_content_block_from_string(text)]


def trace(tool, args):
    from agentdojo.functions_runtime import FunctionCall

    return FunctionCall(function=tool, args=args)
