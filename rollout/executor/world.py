"""The bundle that a driver is handed: ports, policy and a few questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.executor.measuring import Instrument
from rollout.executor.ports import Clock, Edge, Gate, Journal, Leases, Runtime, Spawn, Standing
from rollout.model.fleet import Footing, RuntimeName
from rollout.model.move import Entry, Move
from rollout.model.policy import Policy


def never() -> bool:
    """No."""
    return False


def no(_: str) -> bool:
    """Not that one."""
    return False


def none_of(_: Sequence[Move]) -> Mapping[str, str]:
    """Nothing against any."""
    return {}


def nothing(*_: object) -> None:
    """No reason against it; nothing to tell."""


def plainly(text: str) -> str:
    """The text as it is."""
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a driver acts on.

    `tell`: called after each durable entry with it and its row. `stop_requested`: first Ctrl-C. `stale`: of planned rows that
    are about to begin, by id, why those may not that must not begin. `meet`: told of services before their moves are driven.
    `at_once`: an effect on this service ends at once and needs no thread. `closed`: why a step that needs so many seconds may
    not happen now (window, freeze), None where it may. `comparing`: gates that hold v2 against legacy at the same time; they
    are asked in the last traffic step below 100 % alone. `instrument`: None where nothing is
    measured. `mask` keeps secrets out of the journal. `tick_s`: how often controls
    are read and due rows are claimed, at least. `gate_s`: a gate that has not answered by then is broken: it holds its move.
    """

    clock: Clock
    journal: Journal
    standing: Standing
    leases: Leases
    runtimes: Mapping[RuntimeName, Runtime]
    edge: Edge
    gates: Sequence[Gate]
    policy: Policy
    spawn: Spawn
    comparing: Sequence[Gate] = ()
    instrument: Instrument | None = None
    tell: Callable[[Entry, Move], None] = nothing
    stop_requested: Callable[[], bool] = never
    stale: Callable[[Sequence[Move]], Mapping[str, str]] = none_of
    meet: Callable[[Mapping[str, Footing]], None] = nothing
    at_once: Callable[[str], bool] = no
    closed: Callable[[datetime, float], str | None] = nothing
    mask: Callable[[str], str] = plainly
    tick_s: float = 0.25
    gate_s: float = 30.0
