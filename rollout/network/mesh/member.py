"""One instance's place in the private network: a tunnel to the hub of its room, its link in the instance's namespace."""

import time
from collections.abc import Callable

from rollout.errors import BrokenError
from rollout.host.network import Member
from rollout.host.rooms import OPEN
from rollout.network.mesh import addresses, links, namespaces
from rollout.network.mesh.keys import public_of
from rollout.network.mesh.marks import Mark
from rollout.network.mesh.numbers import Numbers
from rollout.network.mesh.outlets import lead_member
from rollout.network.mesh.room import Hubs, hub_peer
from rollout.network.mesh.state import EnvironmentRecord, MemberRecord, State
from rollout.network.mesh.tunnels import Settings, Tunnel, Tunnels

HANDSHAKE_S, LOOK_S = 15.0, 0.001
"""A handshake takes milliseconds; one that is lost is tried again after 5 s."""


class Joining:
    """Joins instances that have a record and a namespace. The caller holds the instance's lock."""

    def __init__(self, state: State, numbers: Numbers, mark: Mark, *, tunnels: Tunnels, hubs: Hubs) -> None:
        self._state = state
        self._numbers = numbers
        self._mark = mark
        self._tunnels = tunnels
        self._hubs = hubs

    def view(self, record: MemberRecord) -> Member:
        """The instance as the desk sees it."""
        block = self._numbers.block(record.environment)
        return Member(
            instance=record.instance,
            address=block.member(record.number),
            address4=block.member4(record.number),
            namespace=self.path(record),
            dns=block.dns,
        )

    def path(self, record: MemberRecord) -> str:
        """Where its namespace stands, or will."""
        return self._mark.member_path(record.number)

    def stands(self, record: MemberRecord) -> bool:
        """It was joined wholly, and nothing of that has died since, as far as can be seen from outside of its namespace."""
        return self._state.was_joined(record.instance, self._what(record))

    def join(self, record: MemberRecord) -> None:
        """Its address is in its namespace and the tunnel has shaken hands. BrokenError, and half of it may be there."""
        if self.stands(record):
            return
        hub, _ = self._hubs.stand(record.environment)
        tunnel = self._tunnel(record)
        self._tunnels.end(tunnel)  # it may hold its own port
        record = self._numbers.port_of_member(record)
        self._tunnels.start(tunnel)
        self._hubs.admit(record)
        self._tunnels.write(tunnel, Settings(private_key=record.private_key, port=record.port, peers=(hub_peer(hub),)))
        links.move(tunnel.name, tunnel.namespace)
        links.dress(tunnel.namespace, self._dress(record, hub))
        lead_member(tunnel.namespace, egress=hub.egress)
        key = public_of(hub.private_key)
        _until(lambda: self._tunnels.shaken(tunnel, key), f"the tunnel of {record.instance} got no answer from its hub")
        self._state.mark_joined(record.instance, self._what(record))

    def turn(self, record: MemberRecord) -> None:
        """It can send to the outside, or not, as its environment says; its tunnel stays. For one that stands. BrokenError."""
        hub = self._numbers.environment(record.environment)
        tunnel = self._tunnel(record)
        self._tunnels.write(tunnel, Settings(peers=(hub_peer(hub),)))
        lead_member(tunnel.namespace, egress=hub.egress)
        self._state.mark_joined(record.instance, self._what(record))

    def turns(self, record: MemberRecord) -> bool:
        """It would stand, had the egress of its environment not changed."""
        return self._state.was_joined(record.instance, self._what(record, changed=True))

    def end(self, record: MemberRecord) -> None:
        """Its key opens nothing; nothing of it is left on the machine; its record stays. Idempotent."""
        self._hubs.dismiss(record)
        self._tunnels.end(self._tunnel(record))
        namespaces.drop(self.path(record))
        self._state.forget_joined(record.instance)

    def _what(self, record: MemberRecord, *, changed: bool = False) -> str:
        egress = self._numbers.environment(record.environment).egress is not changed
        run = f"{self._tunnels.standing(self._tunnel(record))} {namespaces.inode(self.path(record))}"
        return f"{run} {OPEN}" if egress else run

    def _tunnel(self, record: MemberRecord) -> Tunnel:
        return Tunnel(self._mark.member_link(record.number), self.path(record))

    def _dress(self, record: MemberRecord, hub: EnvironmentRecord) -> links.Dress:
        block = self._numbers.block(record.environment)
        return links.Dress(
            addresses=(f"{block.member(record.number)}/128", f"{block.member4(record.number)}/32"),
            near=(block.here, block.here4, block.services),
            far=(hub.prefix, addresses.ALL4),
            settings=(*links.IPV6_ON, *links.AS_USUAL),
        )


def _until(true: Callable[[], bool], otherwise: str) -> None:
    limit = time.monotonic() + HANDSHAKE_S
    while not true():
        if time.monotonic() > limit:
            raise BrokenError(otherwise, then="rollout doctor")
        time.sleep(LOOK_S)
