"""What else the host part keeps running, beside the instances: a value that edge, names and scheduler hand in."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A process that the host part keeps for itself: the edge, the names, the scheduler."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
