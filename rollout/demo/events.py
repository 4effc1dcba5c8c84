"""What the story tells while it runs: plain values, which the command line draws."""

from dataclasses import dataclass

from rollout.model.fleet import Kind, Tier
from rollout.model.state import State
from rollout.operations.numbers import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What begins now, and why: it takes some seconds, in which nothing else may be told."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody asked the demo to end before its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is under way has come to a safe point; everything is counted, and taken down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Something serves now. `edge`: `host:port`, empty in memory; a request with a service's name as Host reaches it."""

    edge: str
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A service runs on legacy. `fault`: what will go wrong on v2, `note`: what else is special about it, in words."""

    service: str
    tier: Tier
    kind: Kind
    fault: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The owner of a service pinned it, or does so no more: the product's own words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Before and after of every service, measured at the edge; the gate's verdict of its newest move."""

    lines: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Everything runs on: in this folder, which is the home; one of its services."""

    home: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan is stored: its waves by name, with tier and services; `summary` is the plan's own last line."""

    waves: tuple[tuple[str, Tier, tuple[str, ...]], ...]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A wave begins."""

    wave: str
    tier: Tier
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A move has come to a state. `note`: the weight, or why."""

    service: str
    state: State
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack:
    """A service is on legacy again, by itself: why, and the last lines that its v2 copy wrote."""

    service: str
    reason: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A wave has ended. Counts of services, seconds."""

    wave: str
    tier: Tier
    moved: int
    fell_back: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """A service that fell back has a new release without the fault, and may be planned again."""

    service: str
    release: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """No legacy copy runs any more."""

    services: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalized:
    """The setting is written off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Everything that the demo started was told to end. `leftovers` is what is there all the same."""

    leftovers: tuple[str, ...]


Moved = Planned | Began | Changed | FellBack | Ended | Repaired | Finished
Event = Doing | Asked | Opened | Deployed | Said | Moved | Compared | Finalized | Kept | Closing | Closed
