"""The private network of one home on this host: every instance that it covers has an address, a key and a tunnel in it.

Per environment a *room*, a network namespace in which everything of the environment on this host meets; per instance one tunnel
with one peer, the room's hub. All keys and UDP sockets are outside of both, in this process's network namespace, which has no
route into any environment. So another environment is not forbidden, it is not there.
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.network import Member
from rollout.host.ports import InstanceSpec
from rollout.host.rooms import Rooms
from rollout.network.mesh import flows, namespaces
from rollout.network.mesh.keys import public_of
from rollout.network.mesh.leftovers import Leftovers
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.member import Joining
from rollout.network.mesh.numbers import Numbers
from rollout.network.mesh.room import Hubs
from rollout.network.mesh.state import MemberRecord, Neighbour, State
from rollout.network.mesh.tunnels import Tunnels


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What other hosts must know of an environment's hub on this one: key, UDP port, and the /96 of the instances behind it."""

    public_key: str
    port: int
    here: str


class Mesh:
    """Fulfils `host.network.Network`. `folder`: HOME/host/mesh; `host`: this host's number (1 to 64) among those of the home.

    One process at a time; any of its threads.
    """

    def __init__(self, folder: Path, rooms: Rooms, tunnels: Tunnels, *, host: int = 1) -> None:
        self._state = State(folder)
        self._tunnels = tunnels
        self.mark = mark_of(folder)
        self._numbers = Numbers(self._state, host)
        self._hubs = Hubs(self._state, self._numbers, self.mark, tunnels=tunnels, rooms=rooms, host=host)
        self._joining = Joining(self._state, self._numbers, self.mark, tunnels=tunnels, hubs=self._hubs)
        self._leftovers = Leftovers(self._state, self.mark, tunnels, self._hubs.outlets)
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._keeping = threading.Lock()

    def covers(self, spec: InstanceSpec) -> bool:
        """Containers: a plain process has the host's own network."""
        return bool(spec.image)

    def prepare(self, spec: InstanceSpec) -> Member:
        """As in the port."""
        with self._joined_or_nothing(spec, patched=False) as record:
            namespaces.make(self._joining.path(record))
            self._joining.join(record)
        return self._joining.view(record)

    def patch(self, spec: InstanceSpec, pid: int) -> Member:
        """As in the port. Its namespace stands from now on also without the process, until it leaves or is patched again."""
        with self._joined_or_nothing(spec, patched=True) as record:
            path = self._joining.path(record)
            if namespaces.inode(path) != namespaces.inode(f"/proc/{pid}/ns/net"):
                namespaces.bind(pid, path)
            self._joining.join(record)
        return self._joining.view(record)

    @contextmanager
    def _joined_or_nothing(self, spec: InstanceSpec, *, patched: bool) -> Iterator[MemberRecord]:
        """The record of the instance; what was made for it is gone again when the body fails."""
        with self._locks[spec.id]:
            known = self._state.members.get(spec.id)
            record = self._numbers.member(spec.id, spec.service.partition("/")[0], patched=patched)
            try:
                yield record
            except (BrokenError, OSError) as error:
                self._joining.end(record)
                if known is None:
                    self._state.members.remove(spec.id)
                if isinstance(error, BrokenError):
                    raise
                raise BrokenError(f"{spec.id} cannot join its private network: {error}", then="rollout doctor") from error

    def member(self, instance: str) -> Member | None:
        """As in the port."""
        record = self._state.members.get(instance)
        return None if record is None else self._joining.view(record)

    def address_of(self, service: str) -> str:
        """As in the port."""
        return self._numbers.block(service.partition("/")[0]).service(self._numbers.service(service).number)

    def address4_of(self, service: str) -> str:
        """As in the port."""
        return self._numbers.block(service.partition("/")[0]).service4(self._numbers.service(service).number)

    def dns_of(self, service: str) -> str:
        """As in the port."""
        return self._numbers.block(service.partition("/")[0]).dns

    def lead(self, service: str, place: tuple[str, int] | None) -> None:
        """As in the port. Written first, so that a room that is made again leads as it should."""
        self._numbers.lead(service, place)
        self._hubs.lead(service.partition("/")[0])

    def held(self, service: str, address: str) -> int:
        """As in the port. Not counted: those of clients on this host that have left, which nobody will ever close."""
        environment = service.partition("/")[0]
        room, block = self._hubs.path(environment), self._numbers.block(environment)
        if not room:
            return 0
        ways = {(self.address_of(service), address), (self.address4_of(service), block.twin(address))}
        mine = [flow for flow in flows.open_flows(room) if (flow.asked, flow.answers) in ways]
        numbers = [record.number for record in self._state.members.all().values()]
        here = {*map(block.member, numbers), *map(block.member4, numbers)}
        return sum(flow.client in here or not block.has(flow.client) for flow in mine)

    def hub(self, environment: str) -> Hub:
        """What other hosts' `neighbour` wants to know of this host; the room stands from now on while it has anybody."""
        record, _ = self._hubs.stand(environment)
        block = self._numbers.block(environment)
        return Hub(public_key=public_of(record.private_key), port=record.port, here=block.here)

    def neighbour(self, environment: str, public_key: str, endpoint: str, here: str) -> None:
        """The environment goes on at another host: the hub with this key, at this `address:port`, has all of the /96 `here`.

        Without an endpoint it is a neighbour no more. Durable. An environment that is new here gets the /64 of `here`;
        BrokenError where it has another, or where `here` is this host's own.
        """
        self._hubs.neighbour(environment, public_key, Neighbour(endpoint=endpoint, here=here))

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """As in the port. Written first: what dies on the way is made by `keep`."""
        self._hubs.set_egress(environment, egress=egress)
        for said in self._turn_members(environment):
            raise BrokenError(said, state=f"egress of {environment} is written down; it is tried again", then="rollout doctor")

    def leave(self, instance: str) -> None:
        """As in the port. BrokenError when something of it cannot be ended: it is not forgotten then."""
        with self._locks[instance]:
            record = self._state.members.get(instance)
            if record is not None:
                self._joining.end(record)
                self._state.members.remove(instance)

    def keep(self, wanted: Collection[str]) -> Sequence[str]:
        """As in the port. `wanted` is asked for each member alone, so that it may know of those that are joining meanwhile."""
        with self._keeping:
            return [*self._clear(wanted), *self._mend_rooms(), *self._mend_members()]

    def _clear(self, wanted: Collection[str]) -> Iterator[str]:
        for instance in sorted(name for name in self._state.members.all() if name not in wanted):
            with _told(said := list[str](), f"cannot end what is left of {instance}"):
                self.leave(instance)
                said.append(f"what was left of {instance} is gone")
            yield from said
        with _told(said := list[str](), "cannot clean up"):
            said.extend(self._leftovers.clear())
        yield from said

    def _mend_rooms(self) -> Iterator[str]:
        for name in sorted(self._state.environments.all()):
            with _told(said := list[str](), f"cannot mend the room of {name}"):
                if self._hubs.end(name, unless_used=True):
                    said.append(f"the room of {name} was empty and is gone")
                if self._hubs.used(name) and self._hubs.stand(name)[1]:
                    said.append(f"the room of {name} was made again")
                if self._hubs.turn(name):
                    said.append(f"the way out of the room of {name} is as it should be again")
            yield from said
        with _told(said := list[str](), "cannot mend the ways out"):
            if self._hubs.outlets.keep():
                said.append("rules and settings for the ways out were made again")
        yield from said

    def _turn_members(self, environment: str) -> Iterator[str]:
        """Those that stand lead to the outside as their environment says. What went wrong."""
        for instance in sorted(self._state.members.all()):
            with _told(said := list[str](), f"cannot change the routes of {instance}"), self._locks[instance]:
                record = self._state.members.get(instance)
                if record and record.environment == environment and self._joining.turns(record):
                    self._joining.turn(record)
            yield from said

    def _mend_members(self) -> Iterator[str]:
        for instance in sorted(self._state.members.all()):
            with _told(said := list[str](), f"cannot mend the tunnel of {instance}"), self._locks[instance]:
                record = self._state.members.get(instance)
                if record and namespaces.inode(self._joining.path(record)) and not self._joining.stands(record):
                    if self._joining.turns(record):
                        self._joining.turn(record)
                        said.append(f"the routes of {instance} are as they should be again")
                    else:
                        self._joining.join(record)
                        said.append(f"the tunnel of {instance} was made again")
            yield from said

    def close(self) -> None:
        """As in the port. BrokenError names the first that cannot be ended, after all the rest."""
        said: list[str] = []
        with self._keeping:
            for record in self._state.members.all().values():
                with _told(said, f"cannot end {record.instance}"), self._locks[record.instance]:
                    self._joining.end(record)
            for name in self._state.environments.all():
                with _told(said, f"cannot end the room of {name}"):
                    self._hubs.end(name)
            with _told(said, "cannot clean up"):
                self._leftovers.clear_all()
            self._tunnels.close()
        if said:
            raise BrokenError(said[0], state="the rest of the private network is gone", then="rollout doctor --clean")


@contextmanager
def _told(said: list[str], trouble: str) -> Iterator[None]:
    """What goes wrong with one thing is said, and stops nothing else."""
    try:
        yield
    except BrokenError as error:
        said.append(f"{trouble}: {error.what}")
    except OSError as error:
        said.append(f"{trouble}: {error.strerror}")
