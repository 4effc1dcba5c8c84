"""What both runtimes do alike on the host part. How a copy comes up is the difference, and stands in `legacy` and `v2`."""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from rollout.errors import BrokenError, HostGoneError, TransientError
from rollout.executor.ports import Clock, Copy, Order
from rollout.host.images import ImageOrder, ImageShelf
from rollout.host.ports import Attached, HostPart, InstanceFacts, InstanceSpec, Phase
from rollout.model.fleet import Service
from rollout.model.masking import mask
from rollout.network.choose import Choice
from rollout.runtimes.pace import Pace
from rollout.runtimes.specs import SHELL, check_image, in_containers, instances, serves

LOOK_S = 0.03
"""Between two looks at a copy that comes up."""
STUCK_S = 5.0
"""So long a program may listen on the port that is meant for others, for itself alone."""
LAST_LINES = 10
ENDED = frozenset({Phase.EXITED, Phase.FAILED, Phase.GONE})


class Keeping(ABC):
    """Fulfils `executor.ports.Runtime` on the process engine, but for the order in which a copy and its world come up."""

    def __init__(self, host: HostPart, clock: Clock, images: ImageShelf | None = None) -> None:
        self.host = host
        self.clock = clock
        self._images = images

    @abstractmethod
    def bring_up(self, order: Order, pace: Pace, held: Sequence[Attached]) -> None:
        """Every replica runs, and is attached where it serves; `pace` was told when. `held`: what is there of the order already.

        BrokenError when one of them ends or does not listen in time.
        """

    def publish(self, order: Order) -> None:
        """What the release needs is on the host, and its fixed port: nobody else has that.

        That is its working directory and its program, or its engine and its image. A container is pinned: the instances of this
        order run the image of the release by its digest, also when they are started again later.
        """
        spec = order.release.spec
        if in_containers(spec):
            check_image(spec)
            self._publish_image(order)
            for one in instances(order):
                self.host.reserve(one, order.fence)
            self._check_port(spec)
        else:
            self._check_program(order, spec)
            self._check_port(spec)

    def _publish_image(self, order: Order) -> None:
        """The engine has the very image that the release was made of."""
        spec, image = order.release.spec, order.release.image
        if self._images is None or image is None or not spec.image or spec.engine is None:
            return
        asked = ImageOrder(service=spec.id, reference=spec.image, engine=spec.engine, runtime=order.runtime, image=image)
        self._images.publish_image(asked)

    @staticmethod
    def _check_program(order: Order, spec: Service) -> None:
        if spec.directory is not None and not os.path.isdir(spec.directory):
            raise BrokenError(f"{spec.id}: working directory {spec.directory} is missing", then=_set(spec.id, "--directory PATH"))
        program = instances(order)[0].argv[0]
        if program != SHELL and not _found(program, spec.directory, spec.env.get("PATH")):
            raise BrokenError(f"{spec.id}: program {program} is not on this host", then=_set(spec.id, "--command …"))

    def _check_port(self, spec: Service) -> None:
        """Nobody else has its port. Asked before a copy of its own is stopped that has it."""
        if stranger := self._taken(spec):
            raise BrokenError(
                f"{spec.id}: port {spec.port} is in use by {stranger}",
                state="nothing was stopped or started",
                then=f"end {stranger}, or {_set(spec.id, '--port N')}",
            )

    def _taken(self, spec: Service) -> str:
        """Who else has the port that its owner declared; empty where nobody has."""
        return "" if spec.port is None or not serves(spec) else self.host.stranger(spec.id, spec.port)

    def unpublish(self, order: Order) -> None:
        """The instances of this order and their logs are forgotten. They must have been stopped."""
        for held in self._held(order.service, order.token):
            self.host.forget(held.id, order.fence)

    def launch(self, order: Order) -> Copy:
        """All replicas run and can be reached by their own names. On BrokenError nothing of the order runs."""
        held = self._held(order.service, order.token)
        pace = Pace(self.clock, known=not any(one.wanted for one in held))
        try:
            self.bring_up(order, pace, held)
        except BrokenError:
            self.stop(order)
            raise
        copy = self.inspect(order.service, order.token)
        if copy is None:
            raise BrokenError(f"{order.service}: its copy on {order.runtime} was stopped while it came up", then="rollout log")
        return replace(copy, launched_s=pace.launched_s, discoverable_s=pace.discoverable_s)

    def inspect(self, service: str, token: str) -> Copy | None:
        """What runs under the token now; a crashed copy is there with `running` 0, a stopped one is None."""
        held = [one for one in self._held(service, token) if one.wanted]
        if not held:
            return None
        codes = [one.facts.exit_code for one in held if one.facts.exit_code is not None]
        return Copy(
            service=service,
            runtime=held[0].runtime,
            token=token,
            running=sum(one.facts.phase is Phase.RUNNING for one in held),
            wanted=len(held),
            restarts=sum(one.facts.restarts for one in held),
            addresses=tuple(one.address for one in held if one.address),
            ports_note="; ".join(dict.fromkeys(one.note for one in held if one.note)),
            exit_code=codes[0] if codes else None,
        )

    def stop(self, order: Order) -> None:
        """Nothing runs under the token. All copies leave names and edge, and end their requests, before the first is stopped."""
        held = self._held(order.service, order.token)
        for one in held:
            self.host.detach(one.id, order.fence)
        if any(one.wanted for one in held):
            self._drain(order)
        for one in held:
            self.host.stop(one.id, order.release.spec.draining_s, order.fence)

    def _drain(self, order: Order) -> None:
        """Nothing is in flight, or the draining seconds are over. Where the edge cannot tell, they are waited for in full."""
        until = self.clock.now() + timedelta(seconds=order.release.spec.draining_s)
        while self.clock.now() < until and self._in_flight(order) != 0:
            self.clock.sleep(LOOK_S)

    def _in_flight(self, order: Order) -> int | None:
        try:
            return self.host.in_flight(order.service, order.runtime, order.token)
        except HostGoneError:
            raise
        except (BrokenError, TransientError):
            return None

    def tail(self, service: str, token: str, lines: int = 50) -> Sequence[str]:
        """The last lines that the copy wrote; each with its replica where there are several."""
        held = self._held(service, token)
        if len(held) == 1:
            return self.host.tail(held[0].id, lines)
        return [f"{one.replica} | {line}" for one in held for line in self.host.tail(one.id, lines)]

    def wait(self, order: Order, spec: InstanceSpec, look: Callable[[], Choice]) -> Choice:
        """The first good choice, as soon as the program listens. BrokenError when it ends, or none came in the order's time.

        One that is stuck gets `STUCK_S` to think better of it, not all of that time.
        """
        began = fine = self.clock.now()
        while True:
            self.check_alive(order, spec)
            choice = look()
            if choice.port is not None:
                return choice
            now = self.clock.now()
            fine = fine if choice.stuck else now
            for since, limit_s in ((began, order.deadline_s), (fine, STUCK_S)):
                if (now - since).total_seconds() >= limit_s:
                    raise self._broken(order, spec, f"after {limit_s:g} s {choice.problem}")
            self.clock.sleep(LOOK_S)

    def check_alive(self, order: Order, spec: InstanceSpec) -> None:
        """BrokenError where the instance has ended, or has ended once and been started again."""
        facts = next(one.facts for one in self._held(order.service, order.token) if one.id == spec.id)
        if facts.phase in ENDED or facts.restarts:
            raise self._broken(order, spec, f"it ended{_by(facts)} while it came up")

    def _held(self, service: str, token: str) -> list[Attached]:
        held = (one for one in self.host.instances(service) if one.token == token)
        return sorted(held, key=lambda one: one.replica)

    def _broken(self, order: Order, spec: InstanceSpec, why: str) -> BrokenError:
        if taken := self._taken(order.release.spec):
            why = f"{why}; port {spec.port_declared} is in use by {taken}"
        lines = [mask(line, spec.env.values()) for line in self.host.tail(spec.id, LAST_LINES)]
        said = "".join(f"\n  {line}" for line in lines) or " nothing"
        return BrokenError(
            f"{order.service} (release {order.release.number}) does not come up on {order.runtime}: {why}",
            state=f"that copy is stopped; it said:{said}",
            then=f"rollout service logs {order.service} --runtime {order.runtime}",
        )


def _by(facts: InstanceFacts) -> str:
    code = facts.exit_code
    if facts.out_of_memory:
        return f" because it needed more memory than its limit (exit code {code})"
    if code is None:
        return ""
    return f" by signal {-code}" if code < 0 else f" with exit code {code}"


def _found(program: str, directory: str | None, path: str | None) -> bool:
    if os.sep in program:
        program = os.path.join(directory or os.curdir, program)
    return shutil.which(program, path=path) is not None


def _set(service: str, what: str) -> str:
    return f"rollout service set {service} {what}, then rollout service deploy {service}"
