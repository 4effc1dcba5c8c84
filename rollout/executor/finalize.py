"""What still stands against removing the setting. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class BlockerKind(StrEnum):
    """Why the setting cannot go yet."""

    ON_LEGACY = "on_legacy"
    MOVING = "moving"
    SCHEDULED = "scheduled"
    BLOCKED = "blocked"
    PINNED = "pinned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The fleet as finalize sees it: service ids; for moves the state, for blocks and pins the reason with it.

    `scheduled`: waves that somebody has scheduled, when they run next, and the command that removes the schedule.
    """

    on_legacy: Sequence[str] = ()
    moving: Sequence[tuple[str, str]] = ()
    blocked: Sequence[tuple[str, str]] = ()
    pinned: Sequence[tuple[str, str]] = ()
    scheduled: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One service, or one scheduled wave, that stands against it, why, and the command that helps."""

    service: str
    kind: BlockerKind
    detail: str
    then: str


def blockers(facts: Facts) -> list[Blocker]:
    """One for each service: a move, else a block, else a pin, and only then that it is on legacy. One for each schedule."""
    found: dict[str, Blocker] = {}
    for service, state in facts.moving:
        _add(found, service, BlockerKind.MOVING, f"its move is {state}", f"rollout explain {service}")
    for service, reason in facts.blocked:
        _add(found, service, BlockerKind.BLOCKED, reason, f"rollout retry {service}")
    for service, reason in facts.pinned:
        _add(found, service, BlockerKind.PINNED, reason, f"rollout unpin {service}")
    for service in facts.on_legacy:
        _add(found, service, BlockerKind.ON_LEGACY, "it runs on legacy", f"rollout plan --service {service}")
    for wave, runs, then in facts.scheduled:
        _add(found, wave, BlockerKind.SCHEDULED, runs, then)
    return sorted(found.values(), key=lambda b: (list(BlockerKind).index(b.kind), b.service))


def _add(found: dict[str, Blocker], service: str, kind: BlockerKind, detail: str, then: str) -> None:
    found.setdefault(service, Blocker(service=service, kind=kind, detail=detail, then=then))
