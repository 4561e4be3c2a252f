"""The policies of this folder as the recipe and the model read them: five for each suite."""

from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "policies"
LEVELS = ("PUBLIC", "STANDARD", "CONFIDENTIAL", "RESTRICTED")

# The rows of the table that a gateway decides, with the file of each.
ROWS = {
    "grants alone": "grants",
    "one label per tool": "tools",
    "label by destination": "destinations",
    "with task grants": "tasks",
    "with `untrusted` as well": "untrusted",
}


class Policy:
    """What this folder's policies say, without checking: `bellgate check` does that."""

    def __init__(self, suite, row):
        self.path = FOLDER / suite / f"{ROWS[row]}.yaml"
        self.text = self.path.read_text()
        self.document = yaml.safe_load(self.text)
        agent = self.document["subjects"]["agent"]
        self.clearance = label(agent["clearance"])
        self.floor = label(agent.get("floor", agent["clearance"]))
        self.upstreams = {name: upstream(fields) for name, fields in self.document["upstreams"].items()}
        self.grants = [grant for grant in self.document["grants"] if grant["subject"] == "agent"]
        self.offered = {}
        for rule in self.document.get("orchestrators", ()):
            for entry in rule["objects"]:
                self.offered.setdefault(entry["object"], []).append(entry.get("values", []))

    def grant(self, name, mode):
        """The first grant of the agent that covers an object."""
        for grant in self.grants:
            if mode in grant["modes"] and (name == grant["object"] or name.startswith(grant["object"] + "/")):
                return grant
        return None

    def lines(self):
        """Lines that are neither blank nor a comment."""
        return sum(1 for line in self.text.splitlines() if line.strip() and not line.strip().startswith("#"))


def label(text):
    level, _, categories = text.partition(":")
    return LEVELS.index(level), frozenset(filter(None, categories.split(",")))


def upstream(fields):
    own = label(fields["label"])
    routes = {}
    for name, route in fields.get("routes", {}).items():
        routes[name] = {**route, "label": label(route["label"]) if "label" in route else own}
        for rule in route.get("objects", {}).get("cases", {}).values():
            rule["label"] = label(rule["label"])
    return {"label": own, "routes": routes}
