"""The v2 runtime: network and name first, then start; it finds the listening port by itself and follows its changes."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rollout.executor.ports import Clock, Order
from rollout.host.images import ImageShelf
from rollout.host.ports import Attached, HostPart, InstanceSpec, Listener
from rollout.host.views import at, ipv4, place
from rollout.network.ask import Asker, Question
from rollout.network.choose import Answers, Choice, Wanted, choose
from rollout.runtimes.keeping import Keeping
from rollout.runtimes.pace import Pace
from rollout.runtimes.specs import in_containers, instances

SETTLE_S = 0.3
"""A port that nobody told us is taken once the same one has been chosen for so long: a program may open another first."""

Ask = Callable[[str, Question], bool]
"""Asks an address (`127.0.0.1:8081`); True for a good answer."""


class V2(Keeping):
    """A program has its name and its network before its first instruction, and may listen where it likes."""

    def __init__(self, host: HostPart, clock: Clock, ask: Ask | None = None, images: ImageShelf | None = None) -> None:
        super().__init__(host, clock, images)
        self._ask = ask or _asking(Asker())

    def publish(self, order: Order) -> None:
        """As for every runtime; and the network of each container stands, so that its launch need not wait for that."""
        super().publish(order)
        if in_containers(order.release.spec):
            for spec in instances(order):
                self.host.join(spec.id, order.fence)

    def bring_up(self, order: Order, pace: Pace, held: Sequence[Attached]) -> None:
        """Reserve, connect and name all replicas; start them; find where they listen, and follow that from now on."""
        specs = instances(order)
        named, joined = {one.id for one in held if one.address}, {one.id for one in held if one.own}
        ports = {spec.id: self.host.reserve(spec, order.fence) for spec in specs}
        for spec in specs:
            if spec.id not in joined:  # else its start sees to it that all of it still stands
                self.host.join(spec.id, order.fence)
            if spec.serves and spec.id not in named:
                self.host.attach(spec.id, ports[spec.id], "reserved", order.fence, traffic=order.traffic, listens=False)
        pace.starts()
        started = {spec.id: self.host.start(spec, order.fence) for spec in specs}
        for spec in specs:
            if spec.serves:
                found = self.wait(order, spec, self._detection(spec, started[spec.id], ports[spec.id], pace))
                self.host.attach(spec.id, found.port or ports[spec.id], found.note, order.fence, traffic=order.traffic)
                pace.found(spec.id)
                self.host.follow(spec.id, order.fence)
            self.check_alive(order, spec)
            pace.listens(spec.id)

    def _detection(self, spec: InstanceSpec, copy: Attached, given: int, pace: Pace) -> Callable[[], Choice]:
        """Looks until a choice is certain, or has stood for `SETTLE_S`."""
        wanted = Wanted(given=given, declared=spec.port_declared, reached_from_outside=copy.apart)
        first: dict[int, datetime] = {}

        def look() -> Choice:
            listeners = self.host.listeners(spec.id)
            if listeners:
                pace.listens(spec.id)
            choice = choose(listeners, wanted, self._answers(spec, copy, listeners))
            if choice.port is None or choice.settled:
                return choice
            now = self.clock.now()
            since = first.get(choice.port, now)
            first.clear()
            first[choice.port] = since
            if (now - since).total_seconds() >= SETTLE_S:
                return choice
            return Choice(problem=f"port {choice.port} has only just appeared")

        return look

    def _answers(self, spec: InstanceSpec, copy: Attached, listeners: Sequence[Listener]) -> Answers | None:
        if spec.health_path is None:
            return None
        question = Question(path=spec.health_path, host_name=spec.host_name)
        return lambda port: self._ask(at(place(copy.own, ipv4=ipv4(listeners, port)), port), question)


def _asking(asker: Asker) -> Ask:
    return lambda address, question: asker.ask(address, question).good
