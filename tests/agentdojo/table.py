"""Runs every row, prints the table, and compares it with the one that is committed.

`run.sh` starts it. `--model` takes the rules in Python instead of sidecars. `--suite` and `--row` take a part, and compare nothing.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import nature
import report
from gateway import Direct, Mesh, launcher
from model import Model
from policies import ROWS, Policy
from replay import run
from schemas import write
from suites import SUITES

NO_GATEWAY = "no gateway"
EXPECTED = Path(__file__).parent / "expected.md"


@dataclass
class Score:
    """One row of one suite."""

    whole: int = 0
    stopped: int = 0
    leaks: list = field(default_factory=list)
    passed: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    lines: int | None = None


def main():
    options = arguments()
    began = time.monotonic()
    rows = [NO_GATEWAY, *ROWS] if options.row is None else [NO_GATEWAY, *options.row]
    suites = options.suite or list(SUITES)
    working, scores, added = {}, {}, []
    for suite in suites:
        for row in rows:
            gateway = opened(suite, row, options)
            score, works = scored(suite, row, gateway, working.get(suite))
            gateway.close()
            working.setdefault(suite, works)
            scores[suite, row] = score
            added += getattr(gateway, "added", [])
            progress(f"{suite}: {row}: {score.whole} whole, {score.stopped} stopped, {len(score.leaks)} leaks", began)
    text = report.text(suites, rows, scores, working)
    print(text)
    if added:
        print(report.cost(added))
    return compared(text, options)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", action="store_true", help="score with the rules in Python, without a sidecar")
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--row", action="append", choices=list(ROWS))
    parser.add_argument("--schemas", type=Path, default=Path("/nonexistent"), help="the folder for the tools' schemas")
    parser.add_argument("--write", action="store_true", help="replace the committed table by this run's")
    return parser.parse_args()


def opened(suite, row, options):
    if row == NO_GATEWAY:
        return Direct(suite)
    policy = Policy(suite, row)
    if options.model:
        return Model(suite, policy)
    return Mesh(suite, policy, write(suite, options.schemas / suite), launcher())


def scored(suite, row, gateway, working):
    """The row's score, and the pairs in which the attack works, which only the run without a gateway can tell."""
    score, works = Score(), set()
    if row != NO_GATEWAY:
        score.lines = gateway.policy.lines()
    gateway.timing = True
    for user_task in SUITES[suite].user_tasks.values():
        outcome = run(suite, user_task, None, gateway.open_run)
        score.whole += outcome.whole
        for tool, _, refused in outcome.calls:
            if refused:
                score.refused.append((user_task.ID, tool, refused))
    gateway.timing = False
    for user_task in SUITES[suite].user_tasks.values():
        for injection in SUITES[suite].injection_tasks.values():
            pair = (user_task.ID, injection.ID)
            if working is not None and pair not in working:
                continue
            outcome = run(suite, user_task, injection, gateway.open_run)
            if outcome.attack:
                works.add(pair)
                score.passed.append(pair)
            elif working is not None:
                score.stopped += 1
            if nature.leaked(suite, injection.ID, outcome.attackers_calls):
                score.leaks.append(pair)
    return score, works


def compared(text, options):
    """Status 1 where a whole run differs from the committed table; a part is compared with nothing."""
    if options.suite or options.row:
        return 0
    if options.write:
        EXPECTED.write_text(text + "\n")
    if EXPECTED.exists() and EXPECTED.read_text().strip() == text.strip():
        return 0
    print(f"\nthis is not the table of {EXPECTED.name}; if the change is meant, run again with --write", file=sys.stderr)
    return 1


def progress(text, began):
    print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
