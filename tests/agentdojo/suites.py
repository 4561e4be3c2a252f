"""What is taken from the package: suites, their tools as HTTP requests, environments, true calls.

Nothing here is the package's own code or text; it is imported from the virtual environment that `run.sh` makes.
"""

import copy
import json
from functools import cache
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.functions_runtime import FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites

VERSION = "v1.2.2"
NAMES = ("workspace", "travel", "banking", "slack")
SUITES = {name: get_suites(VERSION)[name] for name in NAMES}

# The module that a tool comes from says which server it would stand behind; one tool of the booking module reads the traveller's profile.
SERVERS = {
    "email_client": "mail",
    "calendar_client": "calendar",
    "cloud_drive_client": "drive",
    "travel_booking_client": "booking",
    "banking_client": "bank",
    "file_reader": "files",
    "user_account": "account",
    "slack": "slack",
    "web": "web",
}
READING = ("get_", "search_", "read_", "list_", "check_")


class Tool:
    """One tool of a suite as an HTTP resource: reading tools are GET with a query, all others POST with a JSON body."""

    def __init__(self, function):
        self.name = function.name
        module = function.run.__module__.rsplit(".", 1)[1]
        self.upstream = "profile" if self.name == "get_user_information" else SERVERS[module]
        self.reads = self.name.startswith(READING)
        self.schema = function.parameters.model_json_schema()
        self.schema["additionalProperties"] = False
        self.lists = {name for name, field in self.schema.get("properties", {}).items() if is_list(field)}

    def request(self, args):
        """Method, target and body of a call."""
        if not self.reads:
            return "POST", f"/tools/{self.name}", json.dumps(args)
        args = {name: value for name, value in args.items() if value is not None}
        target = f"/tools/{self.name}"
        if self.name == "get_webpage":
            # A page is a path, so that a policy can name the sites.
            scheme, _, rest = args["url"].rpartition("://")
            target = "/pages/" + quote(rest, safe="/")
            args = {"scheme": scheme} if scheme else {}
        return "GET", target + ("?" + urlencode(args, doseq=True) if args else ""), None

    def arguments(self, target, body):
        """The arguments back out of a request."""
        if not self.reads:
            return json.loads(body)
        split = urlsplit(target)
        query = parse_qs(split.query, keep_blank_values=True)
        if self.name == "get_webpage":
            scheme = query.get("scheme", [""])[0]
            return {"url": (scheme + "://" if scheme else "") + unquote(split.path.removeprefix("/pages/"))}
        return {name: values if name in self.lists else values[0] for name, values in query.items()}


def is_list(field):
    return field.get("type") == "array" or any(option.get("type") == "array" for option in field.get("anyOf", []))


TOOLS = {name: {function.name: Tool(function) for function in suite.tools} for name, suite in SUITES.items()}


class World:
    """The environment of one run and the runtime that executes calls in it."""

    def __init__(self, suite, user_task, text=None):
        self.suite = SUITES[suite]
        self.environment = user_task.init_environment(environment(suite, text).model_copy(deep=True))
        self.before = self.environment.model_copy(deep=True)
        self.runtime = FunctionsRuntime(self.suite.tools)

    def copy(self):
        """The same world once more."""
        other = object.__new__(World)
        other.suite, other.before, other.runtime = self.suite, self.before, self.runtime
        other.environment = self.environment.model_copy(deep=True)
        return other

    def call(self, tool, args):
        """The tool's answer as the package would show it to a model."""
        result, error = self.runtime.run_function(self.environment, tool, args)
        return f"ERROR: {error}" if error else tool_result_to_str(result)


@cache
def environment(suite, text):
    """A suite's default environment, with a text in every place where outsiders can put one. Copy it: it is read once, which is slow."""
    suite = SUITES[suite]
    vectors = suite.get_injection_vector_defaults()
    return suite.load_and_inject_default_environment(dict.fromkeys(vectors, text) if text else {})


def true_calls(task, environment):
    """A task's own calls, as (tool, arguments)."""
    calls = task.ground_truth(environment.model_copy(deep=True))
    return [(call.function, copy.deepcopy(dict(call.args))) for call in calls]
