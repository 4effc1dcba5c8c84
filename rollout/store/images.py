"""Which releases run an image, and who still needs it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlmodel import Session

from rollout.store.bulk import OF, find_of
from rollout.store.tables import MAIN

RELEASE, PLACEMENT = MAIN.tables["release"], MAIN.tables["placement"]
MOVE, WAVE, PLANNED = MAIN.tables["move"], MAIN.tables["wave"], MAIN.tables["planned"]
OPEN = ("planned", "running", "stopped")
_MADE_OF = select(RELEASE.c.service, RELEASE.c.number, RELEASE.c.image, RELEASE.c.image_config).where(text("image <> ''"))
_NEWEST = select(RELEASE.c.service, func.max(RELEASE.c.number)).where(RELEASE.c.service.in_(OF)).group_by(RELEASE.c.service)
_PLACED = select(PLACEMENT.c.service, PLACEMENT.c.release, PLACEMENT.c.runtime).where(PLACEMENT.c.service.in_(OF))
_MOVING = select(MOVE.c.service, MOVE.c.id).where(MOVE.c.live == 1, MOVE.c.service.in_(OF))
_WAITING = (
    select(PLANNED.c.service, PLANNED.c.wave)
    .join(WAVE, WAVE.c.number == PLANNED.c.wave)
    .where(WAVE.c.state.in_(OPEN), PLANNED.c.service.in_(OF))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A release that is made of an image, `image` as NAME@DIGEST; `needs`: why it may be launched again, empty where never."""

    service: str
    release: int
    image: str
    needs: tuple[str, ...] = ()


def uses(session: Session, configs: Collection[str]) -> Mapping[str, Sequence[Use]]:
    """By the digest of an image's configuration, all releases that are made of it, in the order of services and numbers."""
    made = [row for row in session.execute(_MADE_OF) if row.image_config in configs]
    services = sorted({row.service for row in made})
    needs = _Needs(session, services)
    found: defaultdict[str, list[Use]] = defaultdict(list)
    for row in sorted(made, key=lambda row: (row.service, row.number)):
        why = tuple(needs.of(row.service, row.number))
        found[row.image_config].append(Use(service=row.service, release=row.number, image=row.image, needs=why))
    return found


class _Needs:
    """What these services may still launch."""

    def __init__(self, session: Session, services: Sequence[str]) -> None:
        self._newest = dict(tuple(row) for row in find_of(session, _NEWEST, services))
        self._placed: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for service, release, runtime in find_of(session, _PLACED, services):
            self._placed[service, release].append(f"runs on {runtime}")
        self._moving = {service: f"moves in {move.partition('/')[0]}" for service, move in find_of(session, _MOVING, services)}
        self._waiting: defaultdict[str, list[str]] = defaultdict(list)
        for service, wave in find_of(session, _WAITING, services):
            self._waiting[service].append(f"stands in wave-{wave}")

    def of(self, service: str, release: int) -> list[str]:
        """Why this release may be launched again: what runs and what a plan pins, with the way back, and the last one."""
        why = list(self._placed.get((service, release), ()))
        why += [self._moving[service]] if service in self._moving else []
        why += self._waiting.get(service, [])
        return why + (["is its last release"] if self._newest.get(service) == release and not why else [])
