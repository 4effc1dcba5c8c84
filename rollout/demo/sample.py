"""The demo's sample services: small real programs. Run as a script; standard library only, knows nothing of rollout.

    python sample.py http [--fault crash|errors|slow] [--port N] [--calls NAME --own NAME] [--takes MS] [--data FILE]
                          [--leaves-port-after S]
    python sample.py worker

A fault shows on v2 alone: `crash` ends at once, as a program does that needs something which only legacy had; `errors`
answers 500 from the 30th request on, while its health path stays good; `slow` takes 40 % longer. `--leaves-port-after`: on v2
it then listens on another port too, and two seconds later no more on the first. `--calls`: it calls another service by name all
the time, and tells its own clients of it: each answer holds the calls since the one before, and what is left when it ends goes
to its next copy, which its `--own` name leads to then. On TERM it ends with exit code 0.
"""

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD_REQUESTS = 29
"""How many requests the fault `errors` answers well on v2."""
SLOWER = 1.4
BOTH_PORTS_S = 2.0
LEFT_OVER_S = 2.0
CALLS = "/calls"

RUNTIME = os.environ.get("ROLLOUT_RUNTIME", "legacy")


def say(line: str) -> None:
    """One line into the log, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Counter:
    """Counts requests over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def next(self) -> int:
        """1 for the first call, then one more each time."""
        with self._lock:
            self._value += 1
            return self._value


class Calls:
    """The calls to the neighbour that nobody has been told of yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold: list[object] = []

    def add(self, calls: list[object]) -> None:
        """These are to be told."""
        with self._lock:
            self._untold += calls

    def take(self) -> list[object]:
        """All of them, each once."""
        with self._lock:
            taken, self._untold = self._untold, []
            return taken


class Answer(BaseHTTPRequestHandler):
    """Answers every path; `/health` is not counted."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    counter = Counter()
    calls: Calls | None = None
    fails_after: int | None = None
    takes_s = 0.0

    def do_GET(self) -> None:
        """200 with the runtime that answers, or the planted 500."""
        if self.path == "/health":
            self._reply(200, {"healthy": True})
            return
        number = self.counter.next()
        if self.takes_s:
            time.sleep(self.takes_s)
        if self.fails_after is not None and number > self.fails_after:
            say(f"request {number}: the driver of v2 has no free connection")
            self._reply(500, {"planted": True, "request": number})
            return
        told = {"calls": self.calls.take()} if self.calls else {}
        self._reply(200, {"runtime": RUNTIME, "request": number, **told})

    def do_POST(self) -> None:
        """Like GET, after reading what was sent; but a copy before this one leaves its calls here."""
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path != CALLS:
            self.do_GET()
        elif self.calls:
            self.calls.add(json.loads(sent))
            self._reply(200, {"taken": True})

    def _reply(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged one by one."""


class Server(ThreadingHTTPServer):
    """Ends without waiting for idle keep-alive connections."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Nobody is asked what this host is called: where names come late, that would take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # of an Internet address


class Server6(Server):
    """Takes IPv4 too."""

    address_family = socket.AF_INET6


def way_to(name: str) -> http.client.HTTPConnection:
    """To the service of this name: through the edge, which the name leads to by itself where there is a private network."""
    host, _, port = os.environ.get("ROLLOUT_EDGE", f"{name}:80").rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=5)


def reach(name: str, stopped: threading.Event) -> None:
    """Wait until this program is in the network: on legacy that is some time after its start."""
    while not stopped.wait(0.05):
        connection = way_to(name)
        try:
            connection.connect()
        except OSError:
            continue
        finally:
            connection.close()
        return


def call_neighbour(name: str, calls: Calls, stopped: threading.Event) -> None:
    """Call `name` until stopped, 20 times a second on one connection."""
    reach(name, stopped)
    connection = way_to(name)
    while not stopped.wait(0.05):
        identity, began, status, error = f"neighbour-{uuid.uuid4()}", time.time(), 0, ""
        try:
            connection.request("GET", "/", headers={"host": name, "x-request-id": identity})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException) as problem:
            error = repr(problem)
            connection.close()
        calls.add([{"id": identity, "began": began, "ended": time.time(), "status": status, "error": error}])


def leave_calls(own: str, calls: Calls) -> None:
    """What nobody was told of is left with the copy that the name of this service leads to now, where there is one."""
    connection = way_to(own)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", CALLS, json.dumps(calls.take()), headers={"host": own})
        connection.getresponse().read()
    connection.close()


def listen(port: int) -> Server:
    """Connections to this port are served from now on; 0: a free one."""
    host = os.environ.get("HOST", "127.0.0.1")
    server = (Server6 if ":" in host else Server)((host, port), Answer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    say(f"{RUNTIME}: listening on {server.server_address[1]}")
    return server


def other_port(first: Server, after: float, stopped: threading.Event) -> Server:
    """Some seconds later another port serves, and soon only that; connections that are open stay. Nobody is told."""
    if stopped.wait(after):
        return first
    second = listen(0)
    stopped.wait(BOTH_PORTS_S)
    first.shutdown()
    first.server_close()
    say(f"{RUNTIME}: left port {first.server_address[1]}")
    return second


def take(data: str) -> None:
    """The volume is this process's own for as long as it lives; a second copy beside it ends at once."""
    held = os.open(data, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"fatal: {data} is in use by another copy")


def serve(options: argparse.Namespace, stopped: threading.Event) -> None:
    """Answer until stopped."""
    if options.fault == "errors" and RUNTIME == "v2":
        Answer.fails_after = GOOD_REQUESTS
    Answer.takes_s = options.takes / 1000 * (SLOWER if options.fault == "slow" and RUNTIME == "v2" else 1.0)
    calls = Answer.calls = Calls() if options.calls else None
    server = listen(options.port or int(os.environ["PORT"]))
    caller = threading.Thread(target=call_neighbour, args=(options.calls, calls, stopped))
    if calls:
        caller.start()
    if options.leaves_port_after and RUNTIME == "v2":
        server = other_port(server, options.leaves_port_after, stopped)
    stopped.wait()
    server.shutdown()
    if calls:
        caller.join()
        leaving = threading.Thread(target=leave_calls, args=(options.own, calls), daemon=True)
        leaving.start()
        leaving.join(LEFT_OVER_S)
    say(f"{RUNTIME}: stopped after {Answer.counter.next() - 1} requests")


def work(_options: argparse.Namespace, stopped: threading.Event) -> None:
    """Do one piece of work after the other until stopped."""
    number = 0
    while not stopped.wait(0.25):
        number += 1
        if number % 20 == 1:
            say(f"{RUNTIME}: finished piece {number}")
    say(f"{RUNTIME}: stopped after {number} pieces")


def die(problem: threading.ExceptHookArgs) -> None:
    """A thread that fails ends the program: a service that does not serve must not look alive."""
    say(f"fatal: {problem.exc_value!r}")
    os._exit(1)


def main() -> None:
    """Be the service that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["http", "worker"])
    parser.add_argument("--fault", choices=["crash", "errors", "slow"])
    parser.add_argument("--port", type=int)
    parser.add_argument("--calls")
    parser.add_argument("--own")
    parser.add_argument("--takes", type=float, default=0.0)
    parser.add_argument("--data")
    parser.add_argument("--leaves-port-after", type=float, default=0.0)
    options = parser.parse_args()
    if options.fault == "crash" and RUNTIME == "v2":
        sys.exit("fatal: /run/legacy/session.sock is not there: this program was built for legacy")
    if options.data:
        take(options.data)
    threading.excepthook = die
    stopped = threading.Event()
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    job = threading.Thread(target=work if options.kind == "worker" else serve, args=(options, stopped))
    job.start()
    signal.sigwait(ending)
    stopped.set()
    job.join()


if __name__ == "__main__":
    main()
