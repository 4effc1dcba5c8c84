"""What a wave's rows add up to: how many fly, for whom, and how many have failed. No row is kept."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from rollout.executor.crowd import Crowd
from rollout.model.move import Move
from rollout.model.policy import Concurrency
from rollout.model.state import IN_FLIGHT, State


class Tally:
    """Running sums over the rows of one wave."""

    def __init__(self, rows: Iterable[Move]) -> None:
        self.states: Counter[State] = Counter()
        self.customers: Counter[str] = Counter()
        self.environments: Counter[str] = Counter()
        self.failures: dict[str, datetime] = {}
        for row in rows:
            self._add(row, 1)

    def change(self, before: Move, after: Move) -> None:
        """A row has become another."""
        if before.state is after.state and before.counts == after.counts:
            return
        self._add(before, -1)
        self._add(after, 1)

    def fitting(self, rows: Iterable[Move], limits: Concurrency, beside: Crowd) -> list[Move]:
        """Those of the rows, in their order, that may all fly together with what flies now, here and in other waves."""
        found: list[Move] = []
        room = limits.total - self.in_flight() - beside.total
        customers = self.customers + Counter(beside.customers)
        environments = self.environments + Counter(beside.environments)
        for row in rows:
            if len(found) >= room:
                break
            if _full(customers, row.customer, limits.per_customer) or _full(
                environments, row.environment, limits.per_environment
            ):
                continue
            customers[row.customer] += 1
            environments[row.environment] += 1
            found.append(row)
        return found

    def in_flight(self) -> int:
        """Moves between publishing and warm, or on their way back."""
        return sum(self.states[state] for state in IN_FLIGHT)

    def failed(self, since: datetime | None) -> int:
        """Moves that count in the failure budget, since it was granted anew."""
        return sum(1 for at in self.failures.values() if since is None or at > since)

    def _add(self, row: Move, sign: int) -> None:
        self.states[row.state] += sign
        if row.state in IN_FLIGHT:
            self.customers[row.customer] += sign
            self.environments[row.environment] += sign
        if sign > 0 and row.counts and row.counted_at is not None:
            self.failures[row.id] = row.counted_at


def _full(flying: Mapping[str, int], name: str, limit: int | None) -> bool:
    return limit is not None and flying[name] >= limit


def limited(limits: Concurrency, value: str) -> Concurrency:
    """The limits with those of a control row (`total=5,per_customer=1`) in their place. Unknown names are passed over."""
    asked: Mapping[str, str] = dict(part.strip().partition("=")[::2] for part in value.split(","))
    numbers = {name: int(text) for name, text in asked.items() if text.isdigit()}
    return Concurrency(
        total=numbers.get("total", limits.total),
        per_customer=numbers.get("per_customer", limits.per_customer),
        per_environment=numbers.get("per_environment", limits.per_environment),
    )
