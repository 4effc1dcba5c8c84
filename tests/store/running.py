"""A fleet in a store, running on legacy, for tests of what is planned from it."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rollout.model.fleet import Placement, RuntimeName, Service, Tier
from rollout.store import placements
from rollout.store.database import Database
from rollout.store.services import Services

NOW = datetime(2024, 6, 4, 14, 2, tzinfo=UTC)


def service(name: str, **changes: Any) -> Service:
    usual: dict[str, Any] = {"environment": "shop", "customer": "acme", "tier": Tier.TRIAL, "command": "serve"}
    return Service(name=name, **{**usual, **changes})


def run(database: Database, services: Sequence[Service], *, runtime: RuntimeName = RuntimeName.LEGACY, release: int = 1) -> None:
    """The services are in the fleet and run there."""
    Services(database, lambda content: hashlib.sha256(content).hexdigest(), lambda: NOW).put(services, who="ann")
    with database.writing() as session:
        placements.put(session, [placed(s.id, runtime, release) for s in services])


def placed(name: str, runtime: RuntimeName = RuntimeName.LEGACY, release: int = 1) -> Placement:
    return Placement(service=name, runtime=runtime, release=release, token=f"{name}.{runtime}", replicas=1, weight=100, since=NOW)
