"""What the story needs from the product; `wiring/demo` fulfils it with the real operations on a home of the demo's own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rollout.edge.access_log import AccessLine
from rollout.model.fleet import Service
from rollout.model.move import Entry, Move
from rollout.model.plan import Plan, Wave
from rollout.operations.numbers import Comparison

Told = Callable[[Entry, Move], None]
"""Called after each durable entry of the journal, with it and the row of its move. From any thread."""


class Stage(Protocol):
    """A home of the demo's own. Every call but `close` may end with a RolloutError; `stop` makes a running one return soon."""

    def open(self) -> str:
        """The host part and the edge run. The edge's `host:port`; empty where there is none."""

    def deploy(self, services: Sequence[Service]) -> Mapping[str, int]:
        """The services are in the fleet as described here, and run where they run. The release of each, by id."""

    def plan(self) -> Plan:
        """A stored plan of all that may move, with the demo's policy."""

    def execute(self, wave: Wave, told: Told) -> None:
        """Every move of the wave is warm or has ended."""

    def finish(self, told: Told) -> None:
        """No move is warm any more: every legacy copy of a moved service has been drained and stopped."""

    def retry(self, service: str) -> None:
        """The service may be planned again."""

    def pin(self, service: str, reason: str) -> str:
        """The service stays on legacy; the product's words for it."""

    def unpin(self, service: str) -> str:
        """The service may be planned again; the product's words for it."""

    def performance(self, services: Sequence[str]) -> Sequence[Comparison]:
        """Both sides of each service, in their order by id."""

    def finalize(self) -> None:
        """The setting is written off."""

    def on(self) -> Mapping[str, int]:
        """How many services run on each runtime."""

    def lines(self) -> Sequence[AccessLine]:
        """The whole log of the edge."""

    def stop(self) -> None:
        """A running call returns as soon as what it does is safe. From another thread."""

    def close(self) -> tuple[Sequence[str], Sequence[Path]]:
        """All that runs in this home was told to end, and the home is removed. Safe at any time, also half open.

        What was used and must be gone now: addresses (`host:port`), and files or folders.
        """
