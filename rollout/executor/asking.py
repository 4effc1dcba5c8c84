"""What a look asks the world at this moment: so the loop sees which question is never answered, and asks it no second time."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from rollout.errors import TransientError
from rollout.executor.ports import Clock

Answer = TypeVar("Answer")


class UnansweredError(TransientError):
    """A question that was asked before still has no answer, or nobody waits for it any more."""


class Asking:
    """The questions of one look. `unanswered`: what has been asked before, and since when it has not answered."""

    def __init__(self, clock: Clock, unanswered: Mapping[str, datetime] | None = None) -> None:
        self._clock = clock
        self._unanswered = unanswered or {}
        self._dropped = False
        self.asked: tuple[str, datetime] | None = None

    def of(self, whom: str, question: Callable[[], Answer]) -> Answer:
        """The answer; UnansweredError where `whom` owes one already, and in a look that was given up."""
        since = self._unanswered.get(whom)
        if since is not None:
            raise UnansweredError(f"{whom} has not answered since {since:%H:%M:%S} UTC")
        if self._dropped:
            raise UnansweredError("the look was given up")
        self.asked = (whom, self._clock.now())
        try:
            return question()
        finally:
            self.asked = None

    def overdue(self, now: datetime, limit_s: float) -> tuple[str, datetime] | None:
        """Who has not answered within the limit, and since when; None where nobody is waited for so long."""
        asked = self.asked
        return asked if asked is not None and (now - asked[1]).total_seconds() >= limit_s else None

    def drop(self) -> None:
        """Nobody waits for this look any more: it asks nothing more."""
        self._dropped = True
