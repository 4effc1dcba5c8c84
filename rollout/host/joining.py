"""How the instances of a home come into the private network of their environment, and leave it.

One that joins before its start gets a namespace that is ready; one that joins afterwards is patched in while it runs. Whichever
it was, it is the same whenever the instance is started again: that order is what tells the runtimes apart.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rollout.errors import RoomsRefusedError, TransientError
from rollout.host.ledger import Held, Joined, Ledger
from rollout.host.network import Member, Network
from rollout.host.ports import EdgeWriter, InstanceFacts, InstanceSpec, Phase
from rollout.host.rooms import Room

PORT = 8080
"""What PORT says in a network of its own, where nobody else could have it."""
ALONE = "none"
"""The network of one that is not in the private network yet: its loopback, and nothing else."""
LIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.STOPPING})


@dataclass(slots=True, kw_only=True)
class Joining:
    """Safe to call from many threads, one at a time for each instance."""

    network: Network
    edge: EdgeWriter
    rooms: Callable[[], Sequence[Room]]
    coming: set[str] = field(default_factory=set)
    """Those that are just joining: the ledger does not know it yet."""
    _patched: dict[str, tuple[int | None, float | None]] = field(default_factory=dict)
    _told: Sequence[Room] | None = None
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def apart(self, spec: InstanceSpec) -> InstanceSpec:
        """The same; with a network of its own where the private network covers it."""
        if not self.network.covers(spec):
            return spec
        port = spec.port or spec.port_declared or PORT
        return replace(spec, network=ALONE, dns=(self.network.dns_of(spec.service),), port=port)

    def joined(self, held: Held, facts: InstanceFacts | None) -> Held:
        """It is in the network: patched in where it runs, else with a namespace that it will be started in."""
        if not held.spec.network:
            return held
        if facts is None or facts.phase not in LIVE:
            return self.before(replace(held, joined=held.joined or Joined.BEFORE))
        return self.after(replace(held, joined=held.joined or Joined.AFTER), facts)

    def before(self, held: Held) -> Held:
        """About to be started: where it joins before its first instruction, its namespace stands."""
        if held.joined is not Joined.BEFORE:
            return held
        self.coming.add(held.spec.id)
        member = self.network.prepare(held.spec)
        self.tell(environment_of(held.spec))
        return _as(held, member, member.namespace)

    def after(self, held: Held, facts: InstanceFacts) -> Held:
        """It runs: where it joins by being patched in, it has been, also into a network that its engine has made anew."""
        if facts.pid is None or not self.lacks(held, facts):
            return held
        self.coming.add(held.spec.id)
        member = self.network.patch(held.spec, facts.pid)
        self._patched[held.spec.id] = facts.pid, facts.started
        self.tell(environment_of(held.spec))
        return _as(held, member, ALONE)

    def lacks(self, held: Held, facts: InstanceFacts) -> bool:
        """It runs, and should have been patched in, and has not been since it was started."""
        now = facts.pid, facts.started
        return held.joined is Joined.AFTER and facts.pid is not None and self._patched.get(held.spec.id) != now

    def left(self, held: Held) -> Held:
        """It has been stopped: nobody has its address or its key any more."""
        if held.joined is None and held.spec.id not in self.coming:
            return held
        self.network.leave(held.spec.id)
        self.coming.discard(held.spec.id)
        self._patched.pop(held.spec.id, None)
        return replace(held, spec=replace(held.spec, network=ALONE, own=()), joined=None, ipv4=False)

    def tell(self, environment: str = "") -> None:
        """The edge listens in the rooms that there are, and in no other; while no edge runs, it will when it does.

        With an environment, RoomsRefusedError for another one's room is left to whoever asks without: every few seconds.
        """
        with self._telling:
            rooms = list(self.rooms())
            if rooms == self._told:
                return
            self._told = None
            try:
                self.edge.rooms(rooms)
                self._told = rooms
            except TransientError:
                return
            except RoomsRefusedError as refused:
                if not environment or environment in refused.environments:
                    raise


def environment_of(spec: InstanceSpec) -> str:
    """Whose room it is in, or would be."""
    return spec.service.partition("/")[0]


def _as(held: Held, member: Member, network: str) -> Held:
    own = (member.address, member.address4)
    return replace(held, spec=replace(held.spec, network=network, dns=(member.dns,), own=own))


class Members(Collection[str]):
    """Who belongs into the private network, as it is when it is asked: somebody may be joining meanwhile."""

    def __init__(self, ledger: Ledger, coming: set[str]) -> None:
        self._ledger = ledger
        self._coming = coming

    def __contains__(self, instance: object) -> bool:
        found = self._ledger.find(str(instance))
        return instance in self._coming or (found is not None and found[1].joined is not None)

    def __iter__(self) -> Iterator[str]:
        return iter({*self._coming.copy(), *self._joined()})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _joined(self) -> Iterator[str]:
        return (held.spec.id for record in self._ledger.records() for held in record.held.values() if held.joined)
