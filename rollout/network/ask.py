"""Asking an instance whether it is well: by HTTP or by a TCP connection, straight to its address and never through the edge."""

import socket
from dataclasses import dataclass

import httpx

READ_AT_MOST = 1 << 16
"""Bytes of an answer's body that are looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer or not, and what was said: `200`, `503`, `refused`, `no answer within 2 s`."""

    good: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the path (None: a TCP connection), and what counts as good. `host_name` goes into the Host header."""

    path: str | None = None
    host_name: str = "localhost"
    timeout_s: float = 2.0
    status_max: int = 399
    body_contains: str | None = None


class Asker:
    """Asks, from any thread. No proxy, no redirect, no connection that is used twice: each answer stands for itself."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(trust_env=False, verify=False, follow_redirects=False, limits=limits)

    def ask(self, address: str, question: Question) -> Answer:
        """One question to `host:port`. An instance that answers badly or not at all is an Answer, never an error."""
        if question.path is None:
            return _connect(address, question.timeout_s)
        return self._get(address, question.path, question)

    def close(self) -> None:
        """All connections are closed."""
        self._client.close()

    def _get(self, address: str, path: str, question: Question) -> Answer:
        url = f"http://{address}/{path.removeprefix('/')}"
        headers = {"Host": question.host_name, "Connection": "close", "User-Agent": "rollout-health"}
        try:
            with self._client.stream("GET", url, headers=headers, timeout=question.timeout_s) as response:
                return _judge(response, question)
        except httpx.TimeoutException:
            return Answer(False, f"no answer within {question.timeout_s:g} s")
        except httpx.ConnectError:
            return Answer(False, "refused")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(False, f"broke off: {error}")


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
        return Answer(False, (error.strerror or str(error)).lower())
