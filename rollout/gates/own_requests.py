"""Our own requests to both sides, where clients send none: straight to each copy, to its health path, one after the other."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollout.executor.ports import Look, Runtime
from rollout.gates.probe import LONGEST_S, Ask
from rollout.model.fleet import Kind, Release, RuntimeName
from rollout.model.policy import HealthGate
from rollout.model.sample import Sample
from rollout.network.ask import Question
from rollout.perf.blocks import Timed
from rollout.perf.histogram import of

SLICE_S = 4.0
"""One look asks for so long at most (seconds); the next one goes on."""
REMEMBERED = 10_000
INSTRUMENT = "our own requests to each copy, GET of the health path"


def without_requests(release: Release) -> str | None:
    """Why no gate that counts requests can apply to such a service; None where one can."""
    kind = release.spec.kind
    return None if kind is Kind.HTTP else f"the edge sees no requests of a {kind}"


@dataclass(slots=True)
class Asked:
    """What our own requests have found of a move until now, in the order in which they ended."""

    stream: list[Timed] = field(default_factory=list)
    errors: dict[RuntimeName, int] = field(default_factory=lambda: dict.fromkeys(RuntimeName, 0))
    first: dict[RuntimeName, datetime] = field(default_factory=dict)
    first_bad: dict[RuntimeName, datetime] = field(default_factory=dict)
    turn: int = 0

    def sample(self, side: RuntimeName) -> Sample:
        """One side as a sample, failures and latencies. Its times are those of the looks in which we asked."""
        times = [request.milliseconds for request in self.stream if request.side is side]
        return Sample(
            runtime=side,
            requests=len(times) + self.errors[side],
            errors=self.errors[side],
            latencies=of(times),
            first=self.first.get(side),
            first_bad=self.first_bad.get(side),
        )

    def least(self) -> int:
        """So many of each side at least."""
        return min(self.sample(side).requests for side in RuntimeName)


class OwnRequests:
    """Asks the copies of both sides in turn, replica by replica; kept in memory, so a new driver begins anew.

    `timer`: seconds from any start, only for differences.
    """

    def __init__(self, runtimes: Mapping[RuntimeName, Runtime], rules: HealthGate, ask: Ask, timer: Callable[[], float]) -> None:
        self._runtimes = runtimes
        self._rules = rules
        self._ask = ask
        self._timer = timer
        self._known: OrderedDict[tuple[str, str], Asked] = OrderedDict()
        self._lock = threading.Lock()

    def why_not(self, look: Look) -> str:
        """Why nothing can be asked; empty where it can."""
        spec = look.release.spec
        if spec.kind is not Kind.HTTP:
            return f"a {spec.kind} answers no requests of ours"
        return "" if spec.health_path else "it has no health path that we could ask"

    def more(self, look: Look, wanted: int) -> Asked:
        """What was asked until now, with some more where fewer than `wanted` of each side were. Raises as Runtime.inspect."""
        asked = self._of(look)
        began = self._timer()
        sides = {side: self._addresses(look, side) for side in RuntimeName}
        while asked.least() < wanted and self._timer() - began < SLICE_S:
            for side, addresses in sides.items():
                if not addresses:
                    return asked
                self._one(look, asked, side, addresses[asked.turn % len(addresses)])
            asked.turn += 1
        return asked

    def _one(self, look: Look, asked: Asked, side: RuntimeName, address: str) -> None:
        spec = look.release.spec
        question = Question(
            path=spec.health_path,
            host_name=spec.host_name,
            timeout_s=min(LONGEST_S, spec.health_timeout_s),
            status_max=self._rules.status_max,
        )
        began = self._timer()
        asked.first.setdefault(side, look.now)
        if self._ask(address, question).good:
            ended = self._timer()
            asked.stream.append(Timed(side, 1000 * (ended - began), ended))
        else:
            asked.errors[side] += 1
            asked.first_bad.setdefault(side, look.now)

    def _addresses(self, look: Look, side: RuntimeName) -> tuple[str, ...]:
        token = look.move.token if side is look.move.target else look.move.source_token
        copy = self._runtimes[side].inspect(look.move.service, token)
        return copy.addresses if copy is not None and copy.alive else ()

    def _of(self, look: Look) -> Asked:
        key = (look.move.id, look.move.token)
        with self._lock:
            asked = self._known.pop(key, None) or Asked()
            self._known[key] = asked
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return asked
