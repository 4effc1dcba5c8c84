"""The room of each environment: a network namespace with the hub that every instance of it on this host is tunnelled to."""

import threading
from collections import defaultdict
from dataclasses import replace

from rollout.host.rooms import Room, Rooms
from rollout.network.mesh import addresses, links, namespaces, rules
from rollout.network.mesh.addresses import Block
from rollout.network.mesh.forwarding import Forwarding
from rollout.network.mesh.keys import public_of
from rollout.network.mesh.marks import Mark
from rollout.network.mesh.numbers import Numbers
from rollout.network.mesh.outlets import Outlets
from rollout.network.mesh.state import EnvironmentRecord, MemberRecord, Neighbour, State
from rollout.network.mesh.tunnels import Peer, Settings, Tunnel, Tunnels

FORWARDING = (("ipv6/conf/all/forwarding", "1"), ("ipv4/ip_forward", "1"))

EVERYTHING = ("::/0", "0.0.0.0/0")


class Hubs:
    """Makes, mends and ends rooms, and lets members in. Safe from many threads; one lock per environment."""

    def __init__(self, state: State, numbers: Numbers, mark: Mark, *, tunnels: Tunnels, rooms: Rooms, host: int) -> None:
        self._state = state
        self._numbers = numbers
        self._mark = mark
        self._tunnels = tunnels
        self._rooms = rooms
        self._host = host
        self.outlets = Outlets(Forwarding(state.settings_before), mark, host)
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._left: defaultdict[str, set[str]] = defaultdict(set)

    def stand(self, environment: str) -> tuple[EnvironmentRecord, bool]:
        """Its room stands and its hub answers; True where it did not before. BrokenError when it cannot be made."""
        with self._locks[environment]:
            record = self._numbers.environment(environment)
            if self._stands(record):
                return record, False
            return self._make(record), True

    def admit(self, member: MemberRecord) -> None:
        """The hub lets in what comes from this member under its own addresses, and nothing else with its key."""
        with self._locks[member.environment]:
            self._left[member.environment].discard(member.instance)
            record, _ = self.stand(member.environment)
            self._tunnels.write(self._tunnel(record), Settings(peers=(self._peer(member),)))

    def dismiss(self, member: MemberRecord) -> None:
        """Its key opens nothing from return on. Idempotent; for a hub that is down too."""
        with self._locks[member.environment]:
            left = self._left[member.environment]
            left.intersection_update(self._state.members.all())
            left.add(member.instance)
            record = self._state.environments.get(member.environment)
            if record is not None and self._tunnels.standing(self._tunnel(record)):
                self._tunnels.write(self._tunnel(record), Settings(gone=(public_of(member.private_key),)))

    def lead(self, environment: str) -> None:
        """The room, where it stands, leads the services of kind tcp as the state says."""
        with self._locks[environment]:
            record = self._state.environments.get(environment)
            if record is not None and self._stands(record):
                rules.apply(self._path(record), rules.leading(self._leads(record)))

    def neighbour(self, environment: str, public_key: str, other: Neighbour) -> None:
        """The hub knows that hub on another host; without an endpoint not any more. Errors as of Mesh.neighbour."""
        with self._locks[environment]:
            self._numbers.neighbour(environment, public_key, other)
            record, new = self.stand(environment)
            if not new:
                gone = () if other.endpoint else (public_key,)
                self._tunnels.write(self._tunnel(record), Settings(peers=_neighbours(record), gone=gone))
                self._show(record)

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """Written first; its room, where it stands, leads to the outside or not. Durable."""
        with self._locks[environment]:
            record = self._numbers.environment(environment)
            if record.egress != egress:
                self._state.environments.put(environment, replace(record, egress=egress))
            self.turn(environment)

    def turn(self, environment: str) -> bool:
        """The room, where it stands, leads to the outside as the state says; True where it did not."""
        with self._locks[environment]:
            record = self._state.environments.get(environment)
            if record is None or not self._stands(record):
                return False
            turned = self.outlets.turn(record, self._path(record))
            self._show(record)
            return turned

    def end(self, environment: str, *, unless_used: bool = False) -> bool:
        """Nothing of its room is left on the machine; False where it is used and shall stay, or was not there."""
        with self._locks[environment]:
            record = self._state.environments.get(environment)
            if record is None or (unless_used and self.used(environment)):
                return False
            there = self._rooms.find(environment) is not None or bool(namespaces.inode(self._path(record)))
            self._rooms.remove(environment)
            self.outlets.end(record)
            self._tunnels.end(self._tunnel(record))
            namespaces.drop(self._path(record))
            self._state.forget_joined(environment)
            return there

    def used(self, environment: str) -> bool:
        """It has members on this host, or neighbours."""
        record = self._state.environments.get(environment)
        return bool(record and record.neighbours) or bool(self._members(environment))

    def path(self, environment: str) -> str:
        """Where its room's namespace is; empty while there is none."""
        record = self._state.environments.get(environment)
        return self._path(record) if record is not None and namespaces.inode(self._path(record)) else ""

    def _stands(self, record: EnvironmentRecord) -> bool:
        return self._state.was_joined(record.name, self._what(record)) and self._rooms.find(record.name) is not None

    def _what(self, record: EnvironmentRecord) -> str:
        return f"{self._tunnels.standing(self._tunnel(record))} {namespaces.inode(self._path(record))}"

    def _make(self, record: EnvironmentRecord) -> EnvironmentRecord:
        """From any half of it. A namespace made anew has a new path: what listened in the old one is deaf.

        Members need not be told of another port: the hub knows where they are and knocks, and they follow its key.
        """
        self._tunnels.end(self._tunnel(record))
        if not namespaces.inode(self._path(record)):
            namespaces.drop(self._path(record))
            record = replace(record, generation=record.generation + 1)
            self._state.environments.put(record.name, record)
        record = self._numbers.port_of_hub(record)
        self._build(record)
        return record

    def _build(self, record: EnvironmentRecord) -> None:
        path, tunnel, block = self._path(record), self._tunnel(record), Block(record.prefix, self._host)
        namespaces.make(path)
        self._tunnels.start(tunnel)
        peers = (*map(self._peer, self._members(record.name)), *_neighbours(record))
        self._tunnels.write(tunnel, Settings(private_key=record.private_key, port=record.port, peers=peers))
        links.move(tunnel.name, path)
        links.dress(path, _dress(block))
        rules.apply(path, rules.tables(block, self._leads(record)))
        self._state.mark_joined(record.name, self._what(record))
        self.outlets.turn(record, path)
        self._show(record)

    def _show(self, record: EnvironmentRecord) -> None:
        """Names, edge and health checks know the room as it is."""
        room = _room(record, self._path(record), Block(record.prefix, self._host))
        if self._rooms.find(record.name) != room:
            self._rooms.write(room)

    def _members(self, environment: str) -> list[MemberRecord]:
        left, known = self._left[environment], self._state.members.all().values()
        return [member for member in known if member.environment == environment and member.instance not in left]

    def _leads(self, record: EnvironmentRecord) -> rules.Leads:
        """In both families, where the place has an address in both."""
        block, found = Block(record.prefix, self._host), dict[str, tuple[str, int]]()
        for known in self._state.services.all().values():
            if known.lead and known.service.startswith(f"{record.name}/"):
                address, port = known.lead
                wide = ":" in address
                four, service4 = block.twin(address) if wide else address, block.service4(known.number)
                found |= {block.service(known.number): (address, port)} if wide else {}
                found |= {service4: (four, port)} if four and service4 else {}
        return found

    def _peer(self, member: MemberRecord) -> Peer:
        block = self._numbers.block(member.environment)
        return Peer(
            public_key=public_of(member.private_key),
            endpoint=f"127.0.0.1:{member.port}",
            allowed=(f"{block.member(member.number)}/128", f"{block.member4(member.number)}/32"),
        )

    def _tunnel(self, record: EnvironmentRecord) -> Tunnel:
        return Tunnel(self._mark.hub_link(record.number), self._path(record), crowded=True)

    def _path(self, record: EnvironmentRecord) -> str:
        return self._mark.room_path(record.number, record.generation)


def hub_peer(record: EnvironmentRecord) -> Peer:
    """The hub as its members on this host know it: everybody else of the environment is behind it."""
    key, endpoint = public_of(record.private_key), f"127.0.0.1:{record.port}"
    return Peer(public_key=key, endpoint=endpoint, allowed=EVERYTHING if record.egress else (record.prefix, addresses.ALL4))


def _room(record: EnvironmentRecord, path: str, block: Block) -> Room:
    others = sorted(addresses.block_of(other.here).member(addresses.HUB) for other in record.neighbours.values())
    return Room(
        environment=record.name,
        path=path,
        prefix=record.prefix,
        dns=block.dns,
        egress=record.egress,
        hub=block.member(addresses.HUB),
        neighbours=tuple(others),
    )


def _neighbours(record: EnvironmentRecord) -> tuple[Peer, ...]:
    known = record.neighbours.items()
    return tuple(
        Peer(public_key=key, endpoint=other.endpoint, allowed=(there.here, there.services, there.here4))
        for key, other in known
        for there in (addresses.block_of(other.here),)
    )


def _dress(block: Block) -> links.Dress:
    return links.Dress(
        addresses=(f"{block.member(addresses.HUB)}/128", f"{block.member4(addresses.HUB)}/32"),
        near=(block.here, block.here4),
        far=(block.prefix, addresses.ALL4),
        own=(block.services, block.services4, f"{block.dns}/128"),
        settings=(*links.IPV6_ON, *FORWARDING),
    )
