"""What a host part tells of a service beside its instances."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the host part knows of a service beside its instances: the highest fence, v2's share (None: the edge knows none)."""

    service: str
    fence: int
    weight: int | None
