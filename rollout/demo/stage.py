"""What the story needs from the product; `wiring/demo` fulfils it with the real operations on a home of the demo's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rollout.edge.access_log import AccessLine
from rollout.model.fleet import Service
from rollout.model.move import Move
from rollout.model.plan import Plan, Wave

Told = Callable[[Move], None]
"""Called after each durable change of a move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A service was closed from `begin` to `end` (None: still), and its plan declared `declared_s` seconds of it."""

    service: str
    begin: datetime
    end: datetime | None
    declared_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a stage used and must be gone afterwards: `host:port` each, and files or folders."""

    addresses: Sequence[str] = field(default_factory=tuple)
    paths: Sequence[Path] = field(default_factory=tuple)


class Stage(Protocol):
    """A home of the demo's own. Every call but `close` may end with a RolloutError; `stop` makes a running one return soon."""

    def open(self) -> str:
        """The host part and the edge run. The edge's `host:port`; empty where there is none."""

    def deploy(self, service: Service) -> int:
        """The service is in the fleet as described here, and this release of it serves where it serves. Its number."""

    def plan(self) -> Plan:
        """A stored plan of all that may move, with the demo's policy."""

    def execute(self, wave: Wave, told: Told) -> None:
        """Every move of the wave is warm or has ended."""

    def finish(self, told: Told) -> None:
        """No move is warm any more: every legacy copy of a moved service has been drained and stopped."""

    def retry(self, service: str) -> None:
        """The service may be planned again."""

    def last_lines(self, service: str) -> Sequence[str]:
        """What the v2 copy wrote last before it was brought back."""

    def finalize(self) -> None:
        """The setting is written off."""

    def on(self) -> Mapping[str, int]:
        """How many services run on each runtime."""

    def gaps(self) -> Sequence[Gap]:
        """Every closed gap until now."""

    def lines(self) -> Sequence[AccessLine]:
        """The whole log of the edge."""

    def stop(self) -> None:
        """A running call returns as soon as what it does is safe. From another thread."""

    def close(self) -> Traces:
        """All that runs in this home was told to end, and the home is removed. Safe at any time, also half open."""
