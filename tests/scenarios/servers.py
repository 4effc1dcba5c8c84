"""The command line in a home of its own, and clients that ask what it runs the whole time."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.driver import until
from tests.scenarios.transcript import HERE

BODY = re.compile(rb"(legacy|v2) (\d+)\s+")
PAUSE_S = 0.02
LIMIT_S = 10.0
CLIENTS = (("GET", "/"), ("GET", "/slow"), ("POST", "/"))
"""The edge may ask a GET twice, a POST only where no copy has seen it;
a slow answer is always under way, also when a copy is to stop."""


class Product:
    """`rollout` in a process of its own for each command, in a home that goes with the test. `said`: what the last one told;
    `before`: words that make its command somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".rollout"
        self.home.mkdir(mode=0o700)
        places = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]
        own = {"ROLLOUT_HOME": str(self.home), "PATH": os.pathsep.join(places), "PYTHONPATH": str(HERE.parents[1])}
        self.env = {**os.environ, **own, "NO_COLOR": "1"}
        self.said = ""
        self.before: tuple[str, ...] = ()

    def __call__(self, *words: str, code: int = 0) -> str:
        """Its stdout. The exit code is `code`."""
        ended = self.ends(*words)
        assert ended.returncode == code, f"rollout {' '.join(words)}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def ends(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Whatever its exit code is."""
        ended = subprocess.run(
            [*self.before, sys.executable, "-m", "rollout", *words],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        self.said = ended.stderr
        return ended


@contextmanager
def product(folder: Path) -> Iterator[Product]:
    """A product of which nothing runs afterwards."""
    made = Product(folder)
    try:
        yield made
    finally:
        made("down", "--yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What answered: the runtime that the program was told, and its process. `at`: seconds of the monotonic clock."""

    at: float
    runtime: str
    pid: int


class Asking:
    """Threads that ask until the end of the block. `bad` says what went wrong and when."""

    def __init__(self, *loops: Callable[[], None]) -> None:
        self.bad: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in loops]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * LIMIT_S)

    def goes_on(self) -> bool:
        """False when it is to end; pauses for a moment."""
        return not self._stop.wait(PAUSE_S)


class WebLoad(Asking):
    """Every kind of client asks a service through the edge on a connection of its own, which it keeps."""

    def __init__(self, edge: str, host_name: str, clients: Sequence[tuple[str, str]] = CLIENTS) -> None:
        self.answers: Mapping[tuple[str, str], list[Answer]] = {client: [] for client in clients}
        self._edge, self._host_name = edge, host_name
        super().__init__(*(lambda client=client: self._ask(*client) for client in clients))

    @property
    def good(self) -> int:
        return sum(len(answers) for answers in self.answers.values())

    def fresh(self) -> list[Answer]:
        """Answers to requests that begin from now on, at least one of every client."""
        seen = {client: len(answers) + 1 for client, answers in self.answers.items()}  # one may be under way
        until(lambda: self.bad or all(len(self.answers[client]) > count for client, count in seen.items()))
        assert self.bad == [], f"{self._host_name}: {self.bad[:3]}"
        return [answer for client, count in seen.items() for answer in self.answers[client][count:]]

    def _ask(self, method: str, path: str) -> None:
        host, _, port = self._edge.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=LIMIT_S)
        while self.goes_on():
            try:
                connection.request(method, path, headers={"Host": self._host_name})
                reply = connection.getresponse()
                body = reply.read()
            except (OSError, http.client.HTTPException) as error:
                self._failed(method, path, repr(error))
                connection.close()
                continue
            told = BODY.fullmatch(body)
            if reply.status == 200 and told:
                answer = Answer(at=time.monotonic(), runtime=told[1].decode(), pid=int(told[2]))
                self.answers[method, path].append(answer)
            else:
                self._failed(method, path, f"{reply.status} {body[:80]!r}")
        connection.close()

    def _failed(self, method: str, path: str, what: str) -> None:
        self.bad.append(f"{time.monotonic():.3f} {method} {path}: {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From the last good answer to the next one; `failed` tries lie in between."""

    seconds: float
    failed: int


class RedisLoad(Asking):
    """Counts up in a Redis, on a connection that is made anew when it breaks, and notes when it could not."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.values: list[int] = []
        self.gaps: list[Gap] = []
        super().__init__(self._count)

    def _count(self) -> None:
        connection: socket.socket | None = None
        last, failed = time.monotonic(), 0
        while self.goes_on():
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
                self.values.append(_increment(connection))
            except (OSError, ValueError):
                failed += 1
                if connection:
                    connection.close()
                connection = None
                continue
            now = time.monotonic()
            if failed:
                self.gaps.append(Gap(seconds=now - last, failed=failed))
            last, failed = now, 0
        if connection:
            connection.close()


def _increment(connection: socket.socket) -> int:
    """What Redis answers to `INCR count`; ValueError for anything but a number (it is loading, it ended)."""
    connection.sendall(b"INCR count\r\n")
    answer = b""
    while not answer.endswith(b"\r\n"):
        part = connection.recv(200)
        if not part:
            raise ConnectionResetError
        answer += part
    return int(answer.removeprefix(b":"))
