"""Who gets which number, key and port: chosen once, kept on disk before anything is made with it."""

import os
import threading
from dataclasses import replace

from rollout.errors import BrokenError
from rollout.network.mesh import addresses, udp
from rollout.network.mesh.addresses import Block
from rollout.network.mesh.keys import new_key
from rollout.network.mesh.state import EnvironmentRecord, MemberRecord, Neighbour, ServiceRecord, State


class Numbers:
    """Fills the state of one home. Safe from many threads."""

    def __init__(self, state: State, host: int) -> None:
        self._state = state
        self._host = host
        self._lock = threading.Lock()
        self._last = max((record.number for record in state.members.all().values()), default=addresses.HUB)

    def block(self, environment: str) -> Block:
        """The addresses of the environment on this host."""
        return Block(self.environment(environment).prefix, self._host)

    def environment(self, name: str, prefix: str = "") -> EnvironmentRecord:
        """As it is known, or new: with this /64, where it is given."""
        with self._lock:
            known = self._state.environments.get(name)
            if known is None:
                number = 1 + max((record.number for record in self._state.environments.all().values()), default=0)
                if number > addresses.ENVIRONMENTS:
                    raise BrokenError(f"this home has no address left for environment {name}")
                prefix = prefix or addresses.environment_prefix(self._home(), number)
                known = EnvironmentRecord(
                    name=name, number=number, prefix=prefix, private_key=new_key(), port=self._port(), generation=0
                )
                self._state.environments.put(name, known)
            return known

    def member(self, instance: str, environment: str, *, patched: bool) -> MemberRecord:
        """As it is known, or new."""
        with self._lock:
            known = self._state.members.get(instance)
            if known is None:
                known = MemberRecord(
                    instance=instance,
                    environment=environment,
                    number=self._free_number(),
                    private_key=new_key(),
                    port=self._port(),
                    patched=patched,
                )
            if known.patched != patched or self._state.members.get(instance) is None:
                known = replace(known, patched=patched)
                self._state.members.put(instance, known)
            return known

    def service(self, service: str) -> ServiceRecord:
        """As it is known, or new."""
        with self._lock:
            shelf = self._state.services
            known = shelf.get(shelf_name(service))
            if known is None:
                number = 1 + max((record.number for record in shelf.all().values()), default=0)
                known = ServiceRecord(service=service, number=number)
                shelf.put(shelf_name(service), known)
            return known

    def lead(self, service: str, place: tuple[str, int] | None) -> None:
        """The service is led there from now on."""
        known = self.service(service)
        with self._lock:
            if known.lead != place:
                self._state.services.put(shelf_name(service), replace(known, lead=place))

    def neighbour(self, environment: str, public_key: str, other: Neighbour) -> None:
        """The environment has that hub as its neighbour; without an endpoint not any more. Errors as of Mesh.neighbour."""
        block = addresses.block_of(other.here)
        known = self.environment(environment, block.prefix)
        if known.prefix != block.prefix or block.host == self._host:
            what = f"{environment} is {known.prefix} here, and this is its host {self._host}: {block.here} is no neighbour of it"
            raise BrokenError(what, then="give every host of a home a number of its own, and its environments the same /64")
        others = {key: value for key, value in known.neighbours.items() if key != public_key}
        if other.endpoint:
            others[public_key] = other
        with self._lock:
            self._state.environments.put(environment, replace(known, neighbours=others))

    def port_of_hub(self, record: EnvironmentRecord) -> EnvironmentRecord:
        """With a port that is free: another one where somebody has taken its own meanwhile."""
        if udp.free(record.port):
            return record
        with self._lock:
            changed = replace(record, port=self._port())
            self._state.environments.put(record.name, changed)
        return changed

    def port_of_member(self, record: MemberRecord) -> MemberRecord:
        """The same."""
        if udp.free(record.port):
            return record
        with self._lock:
            changed = replace(record, port=self._port())
            self._state.members.put(record.instance, changed)
        return changed

    def _home(self) -> str:
        prefix = self._state.prefix()
        if not prefix:
            prefix = addresses.home_prefix(os.urandom(5))
            self._state.set_prefix(prefix)
        return prefix

    def _free_number(self) -> int:
        """Round and round, so that a number rests before somebody else gets it."""
        used = {record.number for record in self._state.members.all().values()}
        for step in range(1, addresses.LAST + 1):
            number = addresses.FIRST + (self._last - addresses.FIRST + step) % (addresses.LAST - addresses.FIRST + 1)
            if number not in used:
                self._last = number
                return number
        raise BrokenError(f"this host has no address left: {len(used)} instances are in its private networks")

    def _port(self) -> int:
        taken = {record.port for record in self._state.members.all().values()}
        taken |= {record.port for record in self._state.environments.all().values()}
        try:
            return udp.choose(taken)
        except OSError as error:
            raise BrokenError(f"cannot give a tunnel its port: {error.strerror}", then="rollout doctor") from error


def shelf_name(service: str) -> str:
    """`environment/name` as a file name: both are DNS labels, without dots."""
    return service.replace("/", ".")
