"""Asking the host part over its socket: fulfils the same ports as the desk that answers there."""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from rollout.errors import HostGoneError
from rollout.host import protocol
from rollout.host.address import Address
from rollout.host.images import ImageOrder, Stocked
from rollout.host.known import Known, Note
from rollout.host.ports import Attached, InstanceSpec, Listener
from rollout.host.usage import Used
from rollout.model.fleet import EngineName, RuntimeName
from rollout.model.image import ImageDigest

ANSWER_S = 60.0
ENGINE_S = 120.0
"""Longer than any engine is waited for, so that one that hangs is told by the host part, and not for a host part that hangs."""
LONG_S = 900.0


class Client:
    """Fulfils HostPart, Upkeep, Metered and ImageShelf.

    Every call is idempotent: one that got no answer is made again for `patience_s`. After that it is a HostGoneError. `lives`
    tells whether there is a host part at all: without one nothing is waited for.
    """

    def __init__(
        self,
        folder: Path,
        version: str,
        *,
        lives: Callable[[], bool] = lambda: True,
        patience_s: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = Address(folder)
        self._version = version
        self._lives = lives
        self._patience_s = patience_s
        self._sleep = sleep

    def hello(self) -> Mapping[str, str]:
        """See HostPart."""
        return cast("Mapping[str, str]", self._ask("hello"))

    def reserve(self, spec: InstanceSpec, fence: int) -> int:
        """See HostPart."""
        return int(self._ask("reserve", spec=spec, fence=fence))

    def start(self, spec: InstanceSpec, fence: int) -> Attached:
        """See HostPart."""
        return cast("Attached", self._ask("start", answer_s=ENGINE_S, spec=spec, fence=fence))

    def join(self, instance: str, fence: int) -> None:
        """See HostPart."""
        self._ask("join", instance=instance, fence=fence)

    def attach(self, instance: str, port: int, note: str, fence: int, *, traffic: bool = True, listens: bool = True) -> None:
        """See HostPart."""
        self._ask("attach", instance=instance, port=port, note=note, fence=fence, traffic=traffic, listens=listens)

    def detach(self, instance: str, fence: int) -> None:
        """See HostPart."""
        self._ask("detach", instance=instance, fence=fence)

    def follow(self, instance: str, fence: int) -> None:
        """See HostPart."""
        self._ask("follow", instance=instance, fence=fence)

    def stop(self, instance: str, grace_s: float, fence: int) -> None:
        """See HostPart."""
        self._ask("stop", answer_s=ANSWER_S + grace_s, instance=instance, grace_s=grace_s, fence=fence)

    def forget(self, instance: str, fence: int) -> None:
        """See HostPart."""
        self._ask("forget", answer_s=ENGINE_S, instance=instance, fence=fence)

    def instances(self, service: str | None = None) -> Sequence[Attached]:
        """See HostPart."""
        return cast("Sequence[Attached]", self._ask("instances", service=service))

    def listeners(self, instance: str) -> Sequence[Listener]:
        """See HostPart."""
        return cast("Sequence[Listener]", self._ask("listeners", instance=instance))

    def stranger(self, service: str, port: int) -> str:
        """See HostPart."""
        return str(self._ask("stranger", service=service, port=port))

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """See HostPart."""
        return cast("Sequence[str]", self._ask("tail", instance=instance, lines=lines))

    def used(self, service: str) -> Sequence[Used]:
        """See Metered."""
        return cast("Sequence[Used]", self._ask("used", service=service))

    def weigh(self, service: str, host_name: str, v2_percent: int, fence: int) -> None:
        """See HostPart."""
        self._ask("weigh", service=service, host_name=host_name, v2_percent=v2_percent, fence=fence)

    def in_flight(self, service: str, runtime: RuntimeName, token: str = "") -> int:
        """See HostPart."""
        return int(self._ask("in_flight", service=service, runtime=runtime, token=token))

    def withdraw(self, service: str, fence: int) -> None:
        """See HostPart."""
        self._ask("withdraw", service=service, fence=fence)

    def bring_back(self) -> Sequence[str]:
        """See Upkeep."""
        return cast("Sequence[str]", self._ask("bring_back", answer_s=LONG_S))

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """See Upkeep."""
        self._ask("set_egress", answer_s=LONG_S, environment=environment, egress=egress)

    def known(self) -> Sequence[Known]:
        """See Upkeep."""
        return cast("Sequence[Known]", self._ask("known"))

    def look_at_ports(self, service: str) -> None:
        """See Upkeep."""
        self._ask("look_at_ports", service=service)

    def lead_back(self, service: str, actor: str, at: str) -> Note:
        """See Upkeep."""
        return cast("Note", self._ask("lead_back", service=service, actor=actor, at=at))

    def notes(self) -> Sequence[Note]:
        """See Upkeep."""
        return cast("Sequence[Note]", self._ask("notes"))

    def forget_note(self, service: str) -> None:
        """See Upkeep."""
        self._ask("forget_note", service=service)

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """See ImageShelf."""
        return cast("ImageDigest", self._ask("resolve_image", answer_s=LONG_S, order=order))

    def publish_image(self, order: ImageOrder) -> str:
        """See ImageShelf."""
        return str(self._ask("publish_image", answer_s=LONG_S, order=order))

    def stocked_images(self) -> Sequence[Stocked]:
        """See ImageShelf."""
        return cast("Sequence[Stocked]", self._ask("stocked_images"))

    def drop_image(self, engine: EngineName, name: str) -> str:
        """See ImageShelf."""
        return str(self._ask("drop_image", engine=engine, name=name))

    def _ask(self, method: str, *, answer_s: float = ANSWER_S, **arguments: object) -> Any:
        line = protocol.request(method, self._version, arguments)
        lives = self._lives()
        again = Retrying(
            retry=retry_if_exception_type(HostGoneError) if lives else retry_if_exception_type(()),
            stop=stop_after_delay(self._patience_s),
            wait=wait_exponential(multiplier=0.02, max=0.5),
            sleep=self._sleep,
            reraise=True,
        )
        return protocol.result(method, again(self._exchange, line, answer_s, lives=lives))

    def _exchange(self, line: bytes, answer_s: float, *, lives: bool) -> bytes:
        path = self._address.path()
        if path is None:
            raise _gone("there is none") if lives else _absent()
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(answer_s)
                try:
                    connection.connect(str(path))
                except OSError as error:
                    raise (_gone(error.strerror or type(error).__name__) if lives else _absent()) from error
                connection.sendall(line)
                with connection.makefile("rb") as file:
                    answer = file.readline()
        except OSError as error:
            raise _gone(error.strerror or type(error).__name__) from error
        if not answer.endswith(b"\n"):
            raise _gone("it ended before it answered")
        return answer


def _absent() -> HostGoneError:
    return HostGoneError("the host part does not run", state="nothing was changed; what runs here runs on", then="rollout up")


def _gone(why: str) -> HostGoneError:
    return HostGoneError(
        f"the host part does not answer ({why})",
        state="services keep serving; whether the last request was carried out is not known, it can be repeated",
        then="rollout up",
    )
