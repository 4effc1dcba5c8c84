"""What a host part tells of a service beside its instances."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the host part knows of a service beside its instances: the highest fence, v2's share (None: the edge knows none)."""

    service: str
    fence: int
    weight: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A service that was led back to legacy without the store. `at`: ISO 8601, UTC."""

    service: str
    actor: str
    at: str
