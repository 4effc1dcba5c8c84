"""The environments of a home: what is in them, and whether they may reach the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum

from rollout.errors import UsageError
from rollout.store import egress
from rollout.store.database import Transaction


class Egress(StrEnum):
    """Whether the instances of an environment may reach the outside."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment's private network on this host. `prefix`: its /64; `room`: it stands now."""

    prefix: str
    room: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An environment. `prefix` is empty where nobody of it has ever joined its private network on this host."""

    name: str
    services: int
    egress: Egress
    prefix: str
    room: bool


def lines(session: Transaction, places: Mapping[str, Place]) -> Sequence[Line]:
    """All that a service is in, by name; and those without a service that are open still."""
    counted, said = egress.services(session), egress.said(session)
    names = sorted({*counted, *(name for name, is_open in said.items() if is_open)})
    nowhere = Place(prefix="", room=False)
    return [
        Line(
            name=name,
            services=counted.get(name, 0),
            egress=Egress.OPEN if said.get(name) else Egress.CLOSED,
            prefix=places.get(name, nowhere).prefix,
            room=places.get(name, nowhere).room,
        )
        for name in names
    ]


def set_egress(session: Transaction, name: str, wish: Egress, *, who: str, now: datetime) -> bool:
    """It is stored, and stands in the audit; False where it was so before. UsageError for an unknown environment."""
    known = {*egress.services(session), *egress.said(session)}
    if name not in known:
        near = get_close_matches(name, sorted(known), n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no environment {name!a}{meant}", then="rollout environment list")
    return egress.put(session, name, wish is Egress.OPEN, who=who, at=now)
