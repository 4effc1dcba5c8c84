"""The fleet of this home, and the rules that its active policy gives for the setting."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rollout.errors import RolloutError, UsageError
from rollout.model.fleet import Kind
from rollout.operations import fleet as operations
from rollout.operations.fleet import View
from rollout.operations.listening import edge, listening
from rollout.operations.setting import Rules
from rollout.store import setting
from rollout.store.policies import active_policy
from rollout.store.services import Services
from rollout.wiring import actor
from rollout.wiring.collection import uncollected
from rollout.wiring.home import Home, find, find_or_create


@contextmanager
def fleet(*, create: bool = False) -> Iterator[Services]:
    """The fleet of the home that is found, or made where `create` and there is none."""
    with _of(find_or_create() if create else find()) as services:
        yield services


@contextmanager
def fleet_to_look_at() -> Iterator[Services]:
    """The fleet of the home that is found, or an empty one that leaves nothing behind: for `--dry-run`."""
    try:
        home = find()
    except UsageError:
        with tempfile.TemporaryDirectory(prefix="rollout-") as folder, _of(Home(Path(folder))) as services:
            yield services
        return
    with _of(home) as services:
        yield services


def shown(services: Services, name: str) -> View:
    """One service by the name that a person types, with where its copies listen now, and how it is reached."""
    found = operations.view(services, name)
    if not found.runs_on:
        return found
    from rollout.wiring.part import client  # noqa: PLC0415 (loaded where something may run)

    part = client(find())
    copies = listening(part, found.service.id)
    return replace(found, copies=copies, edge=edge(part) if copies and found.service.kind is Kind.HTTP else "")


def choice_is_over() -> bool:
    """Whether the home that is found has its runtime setting written off; without a home that can be read it has not."""
    try:
        with fleet() as services, services.database.reading() as session:
            return setting.written_off(session)
    except RolloutError:
        return False


@contextmanager
def _of(home: Home) -> Iterator[Services]:
    database = home.database()
    try:
        with uncollected():
            yield Services(database, home.keyed_hash, actor.now)
    finally:
        database.close()


def rules(services: Services) -> Rules:
    """Who asks, now, under the policy in force; without one there is no flip and pins last 90 days."""
    with services.database.reading() as session:
        policy = active_policy(session)
    if policy is None:
        return Rules(who=actor.user(), now=actor.now())
    return Rules(who=actor.user(), now=actor.now(), v2_default_from=policy.v2_default_from, pin_days=policy.pin_days)
