"""The rules that a call is decided by, written down once more in Python: what the gateway should do, without the gateway.

It reads the same policies, and knows only what they use. `run.sh --model` scores with it in a minute; the published rows
come from the real sidecars, and where the two differ, one of them is wrong.
"""

import json
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import grants
from policies import Policy
from suites import TOOLS

BOTTOM = (0, frozenset())


class Model:
    """A gateway of one suite's agent."""

    def __init__(self, suite, policy: Policy):
        self.suite, self.policy = suite, policy

    def close(self):
        pass

    @contextmanager
    def open_run(self, world, prompt):
        task = grants.task(prompt, self.policy.offered) if self.policy.offered else []
        current = [self.policy.floor]

        def call(name, args):
            tool = TOOLS[self.suite][name]
            method, target, body = tool.request(args)
            objects = self.objects(tool, method, target, json.loads(body) if body else None)
            mode = "observe" if method == "GET" else "alter"
            refused = self.refused(objects, mode, target, body and json.loads(body), current[0], task)
            if refused:
                return "", refused
            for _, label in objects:
                current[0] = join(current[0], label)
            return world.call(name, args), None

        yield call

    def objects(self, tool, method, target, body):
        """What a call reaches: [(object, label)]."""
        upstream = self.policy.upstreams[tool.upstream]
        path = urlsplit(target).path
        for name, route in upstream["routes"].items():
            if route["path"] == path and method in route["methods"]:
                name = f"{tool.upstream}/{name}"
                return named(name, route, body) if "objects" in route else [(name, route["label"])]
        return [(tool.upstream, upstream["label"])]

    def refused(self, objects, mode, target, body, current, task):
        """None, or the first reason."""
        lifted = set()
        for name, label in objects:
            grant = self.policy.grant(name, mode)
            tasked = [g for g in task if covers(g["object"], name) and satisfied(g.get("values", {}), body)]
            if not grant and not any(mode in g["modes"] for g in tasked):
                return "not-granted"
            if not dominates(self.policy.clearance, label):
                return "no-read-up"
            if dominates(label, current):
                continue
            if mode == "observe" and grant and fits(grant.get("read_down"), target):
                lifted.add("read-down")
            elif tasked:
                lifted.add("task")
            else:
                return "no-write-down"
        return "no-write-down" if len(lifted) > 1 else None


def named(name, route, body):
    values = [value for pointer in route["objects"]["at"] for value in at(body, pointer)]
    cases = route["objects"]["cases"]
    if not values:
        return [(name, BOTTOM)]
    found = []
    for value in values:
        found.append(next(((f"{name}/{case}", rule["label"]) for case, rule in cases.items() if matches(rule, value)), (name, BOTTOM)))
    return list(dict.fromkeys(found))


def matches(rule, value):
    if not isinstance(value, str):
        return False
    if "domain" in rule:
        return value.count("@") == 1 and value.split("@")[1].lower() == rule["domain"] and not set(value) & set(" ,<>\"'")
    return value == rule.get("equals") or value in rule.get("one_of", ())


def at(body, pointer):
    """The values that a JSON Pointer leads to: each element of a list, nothing for null."""
    value = body
    for part in pointer.split("/")[1:]:
        value = value.get(part) if isinstance(value, dict) else None
    return flat(value)


def flat(value):
    if value is None:
        return []
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, list) else [value]


def satisfied(values, body):
    for pointer, allowed in values.items():
        there = at(body, pointer)
        if any(value not in allowed for value in there) or (allowed and not there):
            return False
    return True


def fits(read_down, target):
    if not read_down:
        return False
    split = urlsplit(target)
    for template in read_down.get("paths", ()):
        given, wanted = split.path.split("/"), template.split("/")
        if len(given) == len(wanted) and not (split.query and not read_down.get("queries")):
            if all(fits_segment(g, w, read_down.get("values", {})) for g, w in zip(given, wanted)):
                return True
    return "paths" not in read_down


def fits_segment(given, wanted, values):
    if not wanted.startswith("{"):
        return given == wanted
    allowed = values.get(wanted.strip("{}"))
    return allowed is None or unquote(given) in allowed


def covers(granted, name):
    return name == granted or name.startswith(granted + "/")


def dominates(a, b):
    return a[0] >= b[0] and a[1] >= b[1]


def join(a, b):
    return max(a[0], b[0]), a[1] | b[1]
