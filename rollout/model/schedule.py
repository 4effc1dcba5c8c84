"""When a wave may run: a time of the wall, or a cron expression, in a time zone, with the length of its window."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Missed(StrEnum):
    """What becomes of a run that nobody began in time: begun late while its window is open, or left for the next one."""

    RUN = "run"
    NEXT = "next"


class RunState(StrEnum):
    """`claimed`: its window is open, the wave begins when nothing stands against it. `over`: the window has been used."""

    CLAIMED = "claimed"
    BEGUN = "begun"
    OVER = "over"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Either `at` (a time of the wall without zone, `second` of two where it comes twice) or `cron` is set.

    Windows last `window_s` seconds *of the wall*: 02:00 and two hours end at 04:00 on the clock, whatever the clock did.
    """

    zone: str
    window_s: int
    at: datetime | None = None
    second: bool = False
    cron: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `start` on and before `end`, both in UTC. `start` is when the run is due."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A wave's schedule as it is stored. `settled`: every run that was due until then is claimed or missed.

    It binds its wave until it is removed or the wave is over: `why_ended` says which.
    """

    id: int
    wave: int
    times: Times
    missed: Missed
    by: str
    reason: str
    created: datetime
    settled: datetime
    ended: datetime | None = None
    why_ended: str = ""

    @property
    def wave_name(self) -> str:
        """`wave-N`."""
        return f"wave-{self.wave}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One due time of a schedule that has come: who claimed it, and what became of it."""

    schedule: int
    wave: int
    window: Window
    state: RunState
    by: str
    at: datetime
    note: str = ""
