"""The environments of the home that is found, and telling its host part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError, RolloutError
from rollout.host.rooms import Rooms
from rollout.operations import environment
from rollout.operations.environment import Egress, Line, Place
from rollout.wiring import able, actor, seen
from rollout.wiring.home import Home, find
from rollout.wiring.private_network import FOLDER as MESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """`changed`: the store said otherwise before. `told`: the host part runs, and does so now. `lacking`: why it has no effect
    on this machine, in words; empty where it has. `closed_by`: rules of others that keep it closed, each with the command that
    lets it through."""

    changed: bool
    told: bool
    lacking: str = ""
    closed_by: Mapping[str, str] = field(default_factory=dict)


def lines() -> Sequence[Line]:
    """All environments, by name."""
    home = find()
    with home.opened() as database, database.reading() as session:
        return environment.lines(session, _places(home.path / "host"))


def lacking() -> str:
    """Why this machine has no private network for this user, in words; empty where it has."""
    return "; ".join(what for what, _ in able.lacking())


def set_egress(name: str, wish: Egress) -> Became:
    """Stored; the host part, where one runs, has done it on return. BrokenError when it cannot: it is stored all the same."""
    home = find()
    with home.opened() as database, database.writing() as session:
        changed = environment.set_egress(session, name, wish, who=actor.user(), now=actor.now())
    why = lacking()
    if why or not seen.running(home.path):
        return Became(changed=changed, told=False, lacking=why)
    from rollout.wiring.part import client  # noqa: PLC0415 (loaded where a host part runs)

    try:
        client(home).set_egress(name, egress=wish is Egress.OPEN)
    except RolloutError as error:
        stored = f"egress of {name} is stored as {wish}; what runs is as it was"
        raise BrokenError(f"the host part could not do it: {error.what}", state=stored, then="rollout up") from error
    return Became(changed=changed, told=True, closed_by=closed_by(home) if wish is Egress.OPEN else {})


def closed_by(home: Home) -> Mapping[str, str]:
    """Rules of others on this host that close what is open, each with the command that lets it through."""
    from rollout.network.mesh import firewall  # noqa: PLC0415 (where somebody wants out)
    from rollout.network.mesh.marks import mark_of  # noqa: PLC0415

    return {one.where: one.opens for one in firewall.closing(mark_of(seen.folder(home.path) / MESH))}


def _places(folder: Path) -> Mapping[str, Place]:
    """By environment. The numbers that a room had are kept when it is gone."""
    from rollout.network.prefixes import kept  # noqa: PLC0415 (for the list alone)

    rooms = {room.environment: room for room in Rooms(folder / "rooms").all()}
    stand = {name: Place(prefix=room.prefix, room=Path(room.path).exists()) for name, room in rooms.items()}
    return {name: Place(prefix=prefix, room=False) for name, prefix in kept(folder / "mesh").items()} | stand
