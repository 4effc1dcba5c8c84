"""How many moves are in flight outside a wave: the limits of a policy hold over all waves that are driven at once. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.model.move import Move
from rollout.model.state import IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Moves in flight, in all, per customer and per environment."""

    total: int = 0
    customers: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, int] = field(default_factory=dict)

    def has_grown(self, since: "Crowd") -> bool:
        """Anything counts more than it did then."""
        return (
            self.total > since.total
            or any(n > since.customers.get(name, 0) for name, n in self.customers.items())
            or any(n > since.environments.get(name, 0) for name, n in self.environments.items())
        )

    def and_these(self, rows: Iterable[Move]) -> "Crowd":
        """With those of these rows that are in flight."""
        more = crowd((row.customer, row.environment) for row in rows if row.state in IN_FLIGHT)
        return Crowd(
            total=self.total + more.total,
            customers=Counter(self.customers) + Counter(more.customers),
            environments=Counter(self.environments) + Counter(more.environments),
        )


def crowd(flying: Iterable[tuple[str, str]]) -> Crowd:
    """Of the customer and the environment of each move in flight."""
    found = list(flying)
    return Crowd(
        total=len(found),
        customers=Counter(customer for customer, _ in found),
        environments=Counter(environment for _, environment in found),
    )


NOBODY = Crowd()
