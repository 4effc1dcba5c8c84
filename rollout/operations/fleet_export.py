"""The fleet as one of our own files, and back: an import of what was exported changes nothing.

A value of env leaves its row only into an instance; the one exception is asked for by name, goes into a file that only its
owner can read, and stands in the audit. Runtime choices, pins and blocks are not part of what a service is: they stay behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.manifests.fleet_write import Entry, entry
from rollout.model.fleet import Service
from rollout.store import audit
from rollout.store.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The services, and each as an entry of a fleet file."""

    services: Sequence[Service]
    entries: Sequence[Entry]

    @property
    def with_env(self) -> int:
        """How many of the services have variables."""
        return sum(bool(service.env) for service in self.services)


def export(fleet: Services, names: Sequence[str], *, secrets: bool) -> Exported:
    """The services named, or all, in the order of their ids. UsageError where a name is unknown or ambiguous."""
    chosen = {service.id: service for service in (map(fleet.find, names) if names else fleet.list())}
    services = [chosen[name] for name in sorted(chosen)]
    return Exported(services=services, entries=[entry(service, secrets=secrets) for service in services])


def record_secrets(fleet: Services, exported: Exported, *, who: str, into: str) -> None:
    """The audit says of each service with variables that their values were written to a file."""
    lines = [
        audit.Line(who=who, what="export", subject=service.id, why=f"with secrets, to {into}", after={"env": sorted(service.env)})
        for service in exported.services
        if service.env
    ]
    with fleet.database.writing() as session:
        audit.append_many(session, lines, fleet.now())
