"""Asking an instance whether it is well: by HTTP or by a TCP connection, straight to its address and never through the edge.

An instance in the private network is asked from within the room of its environment: nothing else leads there.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx

from rollout.host.rooms import Rooms
from rollout.network.inside import inside

READ_AT_MOST = 1 << 16
"""Bytes of an answer's body that are looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer or not, and what was said: `200`, `503`, `refused`, `no answer within 2 s`.

    `refused`: nobody took the connection, as where nobody listens.
    """

    good: bool
    said: str
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the path (None: a TCP connection), and what counts as good.

    `host_name` goes into the Host header; it also tells by its environment in which room an IPv4 address is looked for.
    `timeout_s` is for all of it: from the connection to the last byte of the answer that is looked at.
    """

    path: str | None = None
    host_name: str = "localhost"
    timeout_s: float = 2.0
    status_max: int = 399
    body_contains: str | None = None

    @property
    def environment(self) -> str:
        """That of `name.environment.internal`; empty for any other host name."""
        _, _, after = self.host_name.removesuffix(".internal").partition(".")
        return after if self.host_name.endswith(".internal") else ""


class Asker:
    """Asks, from any thread. No proxy, no redirect, no connection that is used twice: each answer stands for itself.

    `rooms` of this host; where there are none every address is on the host's own network.
    """

    def __init__(self, rooms: Rooms | None = None) -> None:
        self._rooms = rooms
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(trust_env=False, verify=False, follow_redirects=False, limits=limits)

    def ask(self, address: str, question: Question) -> Answer:
        """One question to `host:port`. An instance that answers badly or not at all is an Answer, never an error.

        BrokenError where its room cannot be entered: that says nothing about the instance.
        """
        room = self._room(address, question)
        if question.path is None:
            with room:
                return _connect(address, question.timeout_s)
        return self._get(address, question.path, question, room)

    def close(self) -> None:
        """All connections are closed."""
        self._client.close()

    def _room(self, address: str, question: Question) -> AbstractContextManager[None]:
        """Where the thread must be to reach the address: a connection stays in the network in which it was opened."""
        room = self._rooms.of(address.rpartition(":")[0].strip("[]"), question.environment) if self._rooms else None
        return inside(room.path) if room else contextlib.nullcontext()

    def _get(self, address: str, path: str, question: Question, room: AbstractContextManager[None]) -> Answer:
        url = f"http://{address}/{path.removeprefix('/')}"
        headers = {"Host": question.host_name, "Connection": "close", "User-Agent": "rollout-health"}
        limit = _Limit(question.timeout_s)
        try:
            with limit, room:  # the limit first: its thread starts in our own network
                answer = self._within(limit, url, headers, question)
        except httpx.TimeoutException:
            return _late(question)
        except httpx.ConnectError:
            return Answer(False, "refused", refused=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _late(question) if limit.over else Answer(False, f"broke off: {error}")
        return _late(question) if limit.over else answer

    def _within(self, limit: "_Limit", url: str, headers: dict[str, str], question: Question) -> Answer:
        told = {"trace": limit.hear}
        with self._client.stream("GET", url, headers=headers, timeout=question.timeout_s, extensions=told) as response:
            return _judge(response, question)


class _Limit:
    """Ends a conversation as a whole: httpx limits each single read, so that an answer which trickles would last for ever."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Limit":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def hear(self, event: str, told: Mapping[str, Any]) -> None:
        """What httpx tells of its connection."""
        if event == "connection.connect_tcp.complete":
            with self._lock:
                self._socket = told["return_value"].get_extra_info("socket")
                self._close()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            self._close()

    def _close(self) -> None:
        """Whoever reads from it reads its end."""
        if self.over and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _late(question: Question) -> Answer:
    return Answer(False, f"no answer within {question.timeout_s:g} s")


def _judge(response: httpx.Response, question: Question) -> Answer:
    said = str(response.status_code)
    if not 200 <= response.status_code <= question.status_max:
        return Answer(False, said)
    if question.body_contains is None or question.body_contains in _start_of(response):
        return Answer(True, said)
    return Answer(False, f"{said}, but the body does not contain {question.body_contains!r}")


def _start_of(response: httpx.Response) -> str:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) >= READ_AT_MOST:
            break
    return body.decode(errors="replace")


def _connect(address: str, timeout_s: float) -> Answer:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
            return Answer(True, "connected")
    except TimeoutError:
        return Answer(False, f"no answer within {timeout_s:g} s")
    except OSError as error:
        return Answer(False, (error.strerror or str(error)).lower(), refused=True)
