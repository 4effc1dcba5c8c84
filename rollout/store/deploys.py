"""What a deploy reads and writes: release, placement, block and audit in one transaction, under the lease of its service."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

from rollout.model.fleet import Placement, Release, RuntimeName, Setting
from rollout.model.lease import Lease
from rollout.model.state import State
from rollout.store import audit, blocks, leases, placements, releases, setting
from rollout.store.database import Database
from rollout.store.tables import BlockRow, MoveRow, ServiceRow

FEW = 20
"""Up to so many services are asked for one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A release stands where the placement says. `new`: the release was made by this deploy. `what`: deploy or restart."""

    release: Release
    placement: Placement
    new: bool
    what: str = "deploy"
    replaced: int | None = None

    @property
    def service(self) -> str:
        """Id of the service."""
        return self.release.service


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a service has: its newest release (0: none), where its traffic is (None: it runs nowhere), its setting."""

    newest: int
    placement: Placement | None
    setting: Setting


@dataclass(frozen=True, slots=True)
class Deploys:
    """Reads and writes of one store."""

    database: Database
    now: Callable[[], datetime]

    def release(self, service: str, number: int | None = None) -> Release | None:
        """A release by its number, by default the newest."""
        with self.database.reading() as session:
            return releases.get(session, service, number)

    def placements(self, service: str) -> Sequence[Placement]:
        """Where the service should run."""
        with self.database.reading() as session:
            return placements.of(session, service)

    def standing(self, services: Sequence[str]) -> Mapping[str, Standing]:
        """What each of these services has now. A few queries, however many there are."""
        with self.database.reading() as session:
            if len(services) <= FEW:
                return {one: _standing(session, one) for one in services}
            newest, placed = releases.newest(session), placements.every(session)
            settings, usual = setting.every(session), setting.default(session)
        return {
            one: Standing(newest=newest.get(one, 0), placement=_main(placed.get(one, ())), setting=settings.get(one, usual))
            for one in services
        }

    def next_number(self, service: str) -> int:
        """The number of the next release. It is nobody else's while the caller holds the service's lease."""
        return self.standing([service])[service].newest + 1

    def moving(self, services: Iterable[str]) -> dict[str, State]:
        """Which of these services are in the middle of a move (begun and not ended), and where it stands."""
        asked = set(services)
        begun = select(MoveRow.service, MoveRow.state).where(MoveRow.live == 1, MoveRow.state != State.PLANNED)
        with self.database.reading() as session:
            return {service: State(state) for service, state in session.exec(begun).all() if service in asked}

    def in_a_wave(self, service: str) -> bool:
        """The service has a move that has not ended, begun or not."""
        with self.database.reading() as session:
            return session.exec(select(MoveRow.id).where(MoveRow.service == service, MoveRow.live == 1)).first() is not None

    def record(self, deployed: Sequence[Deployed], *, who: str, lease: Lease | None = None) -> frozenset[str]:
        """All of it stands, durable; the answer names the services whose block has ended by it.

        FencedError when the lease is no longer ours: nothing was written then.
        """
        with self.database.writing() as session:
            if lease is not None:
                leases.check(session, lease)
            releases.add_many(session, [one.release for one in deployed if one.new])
            placements.put(session, [one.placement for one in deployed])
            audit.append_many(session, [_line(one, who) for one in deployed], self.now())
            blocked = set(session.exec(select(BlockRow.service)).all())
            found = [one for one in deployed if one.service in blocked and _is_another(session, one)]
            return frozenset(one.service for one in found if self._unblock(session, one, who))

    def failed(self, service: str, what: str, *, who: str, why: str) -> None:
        """The log tells that a deploy or restart failed, and why; `why` holds no secret."""
        with self.database.writing() as session:
            audit.append(session, audit.Line(who=who, what=f"{what} failed", subject=service, why=why), self.now())

    def unplace(self, service: str, sides: Iterable[RuntimeName], *, who: str, lease: Lease | None = None) -> None:
        """The service should not run on these sides. FencedError as in `record`."""
        gone = tuple(sides)
        with self.database.writing() as session:
            if lease is not None:
                leases.check(session, lease)
            for side in gone:
                placements.remove(session, (service, side))
            before = {"runs_on": [side.value for side in gone]}
            audit.append(session, audit.Line(who=who, what="stop", subject=service, before=before), self.now())

    def _unblock(self, session: Session, one: Deployed, who: str) -> bool:
        return blocks.remove(session, one.service, who=who, at=self.now(), why=f"deploy of release {one.release.number}")


def _standing(session: Session, service: str) -> Standing:
    newest = releases.get(session, service)
    placed = _main(placements.of(session, service))
    return Standing(newest=newest.number if newest else 0, placement=placed, setting=setting.get(session, service))


def _main(placed: Iterable[Placement]) -> Placement | None:
    return max(placed, key=lambda one: one.weight, default=None)


def _is_another(session: Session, one: Deployed) -> bool:
    """It is not what the block was about: its settings changed since, or it is another release that was made before."""
    if not one.new:
        return one.what == "deploy" and one.replaced != one.release.number
    service, block = session.get(ServiceRow, one.service), session.get(BlockRow, one.service)
    return service is not None and block is not None and service.fingerprint != block.fingerprint


def _line(one: Deployed, who: str) -> audit.Line:
    before: dict[str, object] = {} if one.replaced is None else {"release": one.replaced}
    after: dict[str, object] = {"release": one.release.number, "runtime": one.placement.runtime.value}
    return audit.Line(who=who, what=one.what, subject=one.service, before=before, after=after)
