"""Who drives: a lease on a wave or on one service."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process behind a lease; `started` tells two processes with the same pid apart (seconds, as psutil gives it)."""

    user: str
    host: str
    pid: int
    started: float
    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to drive `subject` (`wave-3` or `service:shop/api`) until `expires`.

    `number` comes from one ever-growing sequence per store: it is the fence.
    """

    number: int
    subject: str
    holder: Holder
    heartbeat: datetime
    expires: datetime

    @property
    def beats_s(self) -> float:
        """Its holder renews it so often (seconds): five times before it would expire."""
        return (self.expires - self.heartbeat).total_seconds() / 5
