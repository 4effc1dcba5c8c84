"""The HTTP socket of a container engine: what is asked, and every way in which it does not answer as a typed error."""

import errno
import json
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from rollout.errors import BrokenError, TransientError

CONNECT_S = 3.0
USUAL_S = 20.0
AGAIN_S, TRIES = 0.5, 6
"""An engine that is restarted answers again after some seconds; all that is asked here may be asked twice."""
GONE = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, FileNotFoundError)
TAR = {"Content-Type": "application/x-tar"}
FULL = ("no space left on device", "disk quota exceeded")
Sleep = Callable[[float], None]


class AwayError(TransientError):
    """Nobody answers on the socket, or not in time: the engine is down, restarts, or hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine answered to something that it could do, or to a name that it does not know (`status` 404)."""

    status: int
    content: bytes = b""

    @property
    def data(self) -> Any:
        """Its JSON; None where there is none."""
        return json.loads(self.content) if self.content else None

    @property
    def unknown(self) -> bool:
        """The engine knows nothing of this name."""
        return self.status == httpx.codes.NOT_FOUND


class ContainerApi:
    """The engine `name` behind the Unix socket at `path`; `prefix` stands before every path that is asked."""

    def __init__(self, name: str, path: Path, prefix: str, *, sleep: Sleep, usual_s: float = USUAL_S) -> None:
        self.name = name
        self.path = path
        self._prefix = prefix
        self._usual_s = usual_s
        transport = httpx.HTTPTransport(uds=str(path), verify=False)  # no TLS here: spare the reading of certificates
        self._client = httpx.Client(transport=transport, base_url="http://engine")
        stop, wait = stop_after_attempt(TRIES), wait_fixed(AGAIN_S)
        self._again = Retrying(retry=retry_if_exception_type(GONE), stop=stop, wait=wait, sleep=sleep, reraise=True)

    def close(self) -> None:
        """The connections are closed for good."""
        self._client.close()

    def answers(self) -> bool:
        """Somebody on the socket says that it is well, at once."""
        try:
            return self._request("GET", "/_ping", timeout_s=CONNECT_S).is_success
        except (OSError, httpx.HTTPError):
            return False

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content: bytes | None = None,
        also: Collection[int] = (),
        timeout_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to what the engine could do, to a name that it does not know, and to a status of `also`.

        `body` is sent as JSON, `content` as it is: a tar.
        AwayError where it does not answer, although it was asked again; BrokenError with its own words for all else.
        """
        try:
            for attempt in self._again:
                with attempt:
                    sent = {"json": body} if content is None else {"content": content, "headers": TAR}
                    sent = {**sent, "headers": headers} if headers else sent
                    said = self._request(method, self._prefix + path, params=params, sent=sent, timeout_s=timeout_s)
        except httpx.TimeoutException as error:
            raise self._away(f"did not answer within {timeout_s or self._usual_s:g} s") from error
        except (OSError, httpx.HTTPError) as error:
            raise self._away(f"does not answer: {error}") from error
        if said.is_success or said.status_code in {304, 404, *also}:
            return Answer(status=said.status_code, content=said.content)
        raise self._refused(said)

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[bytes]:
        """What it sends on the path, piece by piece, until it ends; nothing where it knows no such name. httpx's own errors."""
        _knock(self.path)
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        with self._client.stream("GET", self._prefix + path, params=params, timeout=timeout) as said:
            if said.is_success:
                yield from said.iter_raw()

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        sent: Mapping[str, Any] = MappingProxyType({}),
        timeout_s: float,
    ) -> httpx.Response:
        _knock(self.path)
        timeout = httpx.Timeout(timeout_s or self._usual_s, connect=CONNECT_S)
        return self._client.request(method, path, params=params, timeout=timeout, **sent)

    def _away(self, why: str) -> AwayError:
        return AwayError(
            f"{self.name} at {self.path} {why}",
            state="its containers may run on; what was asked may be half done and is done again by the same command",
            then=f"look whether {self.name} runs: rollout doctor; then the same command",
        )

    def _refused(self, said: httpx.Response) -> BrokenError:
        words = message(said)
        if any(sign in words.lower() for sign in FULL):
            return BrokenError(
                f"the disk of {self.name} is full: {words}",
                state="the container was not started",
                then=f"free some space: {self.name} system df, {self.name} image prune",
            )
        return BrokenError(f"{self.name} refused: {words}", state="nothing of it runs", then="rollout doctor")


def message(said: httpx.Response) -> str:
    """What an engine says of its refusal, without the lists of causes that follow."""
    try:
        told = said.json()
        words = str(told.get("message") or told.get("cause") or "")
    except (ValueError, AttributeError):
        words = said.text
    return words.strip() or f"HTTP {said.status_code}"


def _knock(path: Path) -> None:
    """Somebody listens on this Unix socket, else ConnectError. httpx leaves its own socket open when nobody does."""
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(CONNECT_S)
        try:
            knocking.connect(str(path))
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"connecting took more than {CONNECT_S:g} s") from error
        except OSError as error:
            if error.errno == errno.EACCES:
                raise
            raise httpx.ConnectError(error.strerror or str(error)) from error
