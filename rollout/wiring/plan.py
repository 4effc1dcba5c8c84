"""What planning works on: the home's store, the policy that is asked for, the time, the home's engine."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rollout.errors import BrokenError, UsageError
from rollout.model.plan import Plan
from rollout.model.ports import unexpected
from rollout.operations import explain as explaining
from rollout.operations import numbers as measuring
from rollout.operations import plan as planning
from rollout.operations import policy as choosing
from rollout.operations import show as showing
from rollout.operations.explain import Explanation
from rollout.operations.listening import all_ports
from rollout.operations.numbers import Numbers
from rollout.operations.plan import Proposal
from rollout.operations.policy import Known
from rollout.operations.show import Shown
from rollout.planner.eligibility import Question
from rollout.planner.seal import texts
from rollout.planner.unseal import decoded
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.plans import StoredPlan
from rollout.store.policies import Policies
from rollout.store.services import Services
from rollout.wiring import actor
from rollout.wiring.able import here
from rollout.wiring.collection import uncollected
from rollout.wiring.home import Home, find

LAST_YEAR = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed. `as_of`: a date or a time; without a zone it is UTC."""

    tiers: Sequence[str] = ()
    services: Sequence[str] = ()
    policy: str | None = None
    as_of: str | None = None


class Planning:
    """An open home to plan in."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.database: Database = home.database()
        self.policies = Policies(self.database)

    def propose(self, asked: Asked) -> Proposal:
        """The plan that would be made. UsageError for an unknown tier, service, policy or time."""
        policy = self.policy(asked.policy).policy
        question = Question(tiers=planning.tiers(asked.tiers, policy), services=self._ids(asked.services))
        as_of = AsOf(now=moment(asked.as_of) if asked.as_of is not None else actor.now(), apart=here())
        return planning.propose(self.database, policy, question, as_of=as_of, now=actor.now())

    def keep(self, proposal: Proposal) -> StoredPlan:
        """The proposal is stored."""
        return planning.keep(self.database, proposal, who=actor.user(), now=actor.now())

    def write(self, plan: Plan, path: Path) -> None:
        """The file holds the bytes of the stored plan, all or nothing: it is written beside and renamed."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.writelines(text.encode() for text in texts(plan))
                file.write(b"\n")
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            state = "the plan is stored in the home"
            raise BrokenError(f"cannot write {path}: {error.strerror}", state=state, then=f"rollout show {plan.id}") from error

    def show(self, name: str) -> Shown:
        """A stored plan or wave."""
        return showing.show(self.database, name, as_of=self._present())

    def explain(self, service: str) -> Explanation:
        """All that bears on the service that a person means."""
        [found] = self._ids([service])
        policy = choosing.active(self.policies).policy
        explanation = explaining.explain(self.database, found, policy, as_of=self._present())
        if not explanation.runs_on:
            return explanation
        from rollout.wiring.part import client  # noqa: PLC0415 (loaded where something may run)

        copies = all_ports(client(self.home), found)
        told = (one for one in copies if unexpected(one.note) or one.others or one.for_itself)
        return replace(explanation, ports=tuple(told))

    def numbers(self, service: str) -> Numbers | None:
        """What was measured of the newest move of the service that a person means; None where none has begun."""
        [found] = self._ids([service])
        return measuring.numbers(self.database, found)

    def policy(self, name: str | None = None) -> Known:
        """A policy by name or file; the one in force where none is named."""
        return choosing.active(self.policies) if name is None else choosing.named(self.policies, name)

    def use(self, name: str) -> Known:
        """The named policy is in force from now on."""
        known = choosing.named(self.policies, name)
        choosing.use(self.policies, known, who=actor.user(), now=actor.now())
        return known

    def _ids(self, names: Sequence[str]) -> frozenset[str]:
        services = Services(self.database, self.home.keyed_hash, actor.now)
        return frozenset(services.find(name).id for name in names)

    def _present(self) -> AsOf:
        return AsOf(now=actor.now(), apart=here())


@contextmanager
def opened() -> Iterator[Planning]:
    """The home that is found, open for planning."""
    planning_in = Planning(find())
    try:
        with uncollected():
            yield planning_in
    finally:
        planning_in.database.close()


def known_policies() -> Sequence[Known]:
    """All policies of the home, or those that come with the program where there is no home."""
    with _policies() as policies:
        return choosing.listed(policies)


def known_policy(name: str | None) -> Known:
    """One policy by name or file, or the one in force; works without a home too."""
    with _policies() as policies:
        return choosing.active(policies) if name is None else choosing.named(policies, name)


@contextmanager
def _policies() -> Iterator[Policies | None]:
    try:
        home = find()
    except UsageError:
        yield None
        return
    database = home.database()
    try:
        yield Policies(database)
    finally:
        database.close()


def of_file(path: Path) -> Shown:
    """The plan in a file. UsageError where there is none, StaleError where its hash does not match."""
    try:
        data = path.read_bytes()
    except OSError as error:
        then = "rollout show PLAN, or rollout show wave-3"
        if not path.suffix:
            then += f"; if it is a service: rollout explain {path}"
        raise UsageError(f"cannot read the plan {path}: {error.strerror}", then=then) from error
    return showing.of_file(decoded(data, str(path)))


def moment(text: str) -> datetime:
    """The time of `2024-06-04` (its first moment) or `2024-06-04T14:02+02:00`; UTC where no zone is named."""
    then = "write it like 2024-06-04 or 2024-06-04T14:02+02:00"
    try:
        found = datetime.fromisoformat(text)
        at = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text or 'an empty text'} is not a time", then=then) from None
    if at.year >= LAST_YEAR:
        raise UsageError(f"{text} is too far away: before the year {LAST_YEAR}", then=then)
    return at
