"""The real thing: sidecars between the agent, the desk and the tools of one suite, and the calls through them."""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPConnection

import grants
from server import SCRATCH, Agent, Tools
from suites import TOOLS

# The launcher starts up to six processes; each must be ready within this time.
READY = 120
OPENING = 20


class Direct:
    """No gateway: the agent calls the tools themselves, over the same HTTP."""

    def __init__(self, suite):
        self.suite, self.tools = suite, Tools(suite)
        self.wires = {name: Wire(address, name) for name, address in self.tools.addresses.items()}

    @contextmanager
    def open_run(self, world, prompt):
        self.tools.world = world

        def call(name, args):
            tool = TOOLS[self.suite][name]
            status, answer = self.wires[tool.upstream].ask(*tool.request(args))
            assert status == 200, answer
            return answer, None

        yield call

    def close(self):
        pass


class Mesh:
    """Sidecars with one policy. `added` collects what the gateway adds to each call of a user's task, in seconds."""

    def __init__(self, suite, policy, schemas, launcher):
        self.suite, self.policy = suite, policy
        self.tools, self.agent = Tools(suite), Agent()
        arguments = [launcher, "--policy", policy.path, "--schemas", schemas, "--agent", self.agent.address]
        for name, address in self.tools.addresses.items():
            arguments += ["--tool", f"{name}={address}"]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started = self.process.stdout.readline()
        if not started:
            raise SystemExit(f"the sidecars did not start with {policy.path}; see the messages above")
        ports = json.loads(started)
        self.egress, self.desk = Wire(ports["agent"], None), Wire(ports["desk"], "agent")
        self.direct = {name: Wire(address, name) for name, address in self.tools.addresses.items()}
        self.runs, self.added, self.timing = 0, [], False

    @contextmanager
    def open_run(self, world, prompt):
        self.tools.world = world
        handle = self.open_handle(prompt)

        def call(name, args):
            tool = TOOLS[self.suite][name]
            method, target, body = tool.request(args)
            direct = self.timed_directly(tool, method, target, body)
            headers = {"bellgate-handle": handle}
            began = time.perf_counter()
            status, answer = self.egress.ask(method, target, body, tool.upstream, headers)
            if status == 200:
                if direct is not None:
                    self.added.append(time.perf_counter() - began - direct)
                return answer, None
            return "", reason(status, answer)

        if self.timing:
            self.tools.scratch = world.copy()
        yield call
        status, answer = self.egress.ask("DELETE", f"/v1/handles/{handle}", None, "bellgate")
        assert status == 204, answer

    def timed_directly(self, tool, method, target, body):
        if not self.timing:
            return None
        began = time.perf_counter()
        self.direct[tool.upstream].ask(method, target, body, None, {SCRATCH: "1"})
        return time.perf_counter() - began

    def open_handle(self, prompt):
        """The desk sends the run to the agent, with the grants of its task; the agent's gateway opens a handle with it."""
        self.runs += 1
        asked = grants.task(prompt, self.policy.offered) if self.policy.offered else []
        headers = {"bellgate-task": json.dumps({"grants": asked})} if asked else {}
        status, answer = self.desk.ask("POST", "/runs", str(self.runs), None, headers)
        assert status == 202, f"the desk could not open a run: {status} {answer}"
        run, handle = self.agent.opened.get(timeout=OPENING)
        assert run == str(self.runs) and handle, f"the agent's gateway opened no handle for run {run}"
        return handle

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=READY)


class Wire:
    """One connection to one listener, opened again when it was closed."""

    def __init__(self, address, host):
        self.connection, self.host = HTTPConnection(address, timeout=60), host

    def ask(self, method, target, body=None, host=None, headers=None):
        headers = {"host": host or self.host, "accept": "*/*", **(headers or {})}
        if body is not None:
            headers["content-type"] = "application/json"
        for last in (False, True):
            try:
                self.connection.request(method, target, body=body and body.encode(), headers=headers)
                answer = self.connection.getresponse()
                return answer.status, answer.read().decode()
            except (ConnectionError, OSError):
                self.connection.close()
                # Only a connection that was kept may have been closed meanwhile.
                if last:
                    raise


# Answers that are the gateway's decision about a call. Everything else that is not 200 is a fault, and ends the recipe.
DECIDED = (400, 403, 413, 422)


def reason(status, answer):
    """What the gateway says of a refusal."""
    problem = json.loads(answer)
    assert status in DECIDED, f"neither an answer nor a refusal: {status} {answer}"
    return problem["reason"]


def launcher():
    """The program that starts the sidecars; `run.sh` builds it and says where it is."""
    return os.environ["BELLGATE_AGENTDOJO"]
