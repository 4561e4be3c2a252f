"""The tools of a suite as HTTP servers on loopback, one for each upstream, and the agent's own small server.

One run at a time: the servers work in the environment of the run that is set. A server knows nothing of labels or handles.
"""

import queue
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from suites import TOOLS

# A request with this header works in the scratch environment: the direct call that is timed beside one through the gateway.
SCRATCH = "x-scratch"


class Quiet(BaseHTTPRequestHandler):
    """HTTP/1.1, kept alive, each answer in one write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self.chunks()
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self, status, text):
        data = text.encode()
        head = f"HTTP/1.1 {status} -\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)


class Tools:
    """The servers of one suite. `world` is the run's environment, `scratch` a copy for timing."""

    def __init__(self, suite):
        self.world = self.scratch = None
        upstreams = sorted({tool.upstream for tool in TOOLS[suite].values()})
        self.addresses = {name: serve(self.handler(suite, name)) for name in upstreams}

    def handler(tools, suite, upstream):
        by_name = {tool.name: tool for tool in TOOLS[suite].values() if tool.upstream == upstream}

        class Handler(Quiet):
            def do_GET(self):
                path = self.path.split("?")[0]
                name = "get_webpage" if path.startswith("/pages/") else path.removeprefix("/tools/")
                tool = by_name.get(name)
                body = self.body()
                if tool is None or tool.reads != (self.command == "GET"):
                    return self.answer(404, f"no such tool: {self.command} {path}")
                world = tools.scratch if SCRATCH in self.headers else tools.world
                return self.answer(200, world.call(tool.name, tool.arguments(self.path, body)))

            do_POST = do_GET

        return Handler


class Agent:
    """What the agent serves: a request opens a run, and its header is the run's handle."""

    def __init__(self):
        self.opened = queue.Queue()
        opened = self.opened

        class Handler(Quiet):
            def do_POST(self):
                run = self.body().decode()
                opened.put((run, self.headers.get("bellgate-handle")))
                self.answer(200, "")

        self.address = serve(Handler)


def serve(handler):
    """Starts a server on a port of its own; it ends with the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"
