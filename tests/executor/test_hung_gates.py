"""A gate that never answers: it holds its move as a broken one does, and neither the loop nor the others wait for it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from rollout.executor.flights import target_is_healthy
from rollout.executor.ports import ControlKind, Look
from rollout.executor.result import Until
from rollout.model.fleet import Release, RuntimeName
from rollout.model.move import EntryKind
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict
from rollout.runtimes.memory import MemoryHealth, MemoryTraffic
from rollout.wiring.threads import Threads
from tests.sim.simworld import START, SimClock, SimWorld

GATE_S = 30.0


class StandingClock(SimClock):
    """Time that the loop's own sleep moves on, and a little each time it looks; safe to be read from threads."""

    def __init__(self, sim: SimWorld) -> None:
        super().__init__(sim)
        self._loop = threading.get_ident()

    def now(self) -> datetime:
        if threading.get_ident() == self._loop:
            super().sleep(0.2)
        return super().now()


class Stubborn:
    """A gate that passes, but does not answer while `stuck` says so, until `let_go`."""

    name = "stubborn"
    proves = True

    def __init__(self, stuck: Callable[[Look], bool]) -> None:
        self._stuck = stuck
        self.let_go = threading.Event()
        self.waiting = 0

    def absent(self, _release: Release) -> str | None:
        return None

    def look(self, look: Look) -> Verdict:
        if self._stuck(look) and not self.let_go.is_set():
            self.waiting += 1
            self.let_go.wait()
        return Verdict(gate=self.name, outcome=Outcome.PASS, reason="well", at=look.now)


class Rig:
    def __init__(self) -> None:
        self.sim = SimWorld()
        self.threads = Threads(2, "test")
        self.gates: list[Stubborn] = []

    def drive(self, stuck: Callable[[Look], bool], until: Until = Until.FINISHED) -> Stubborn:
        gate = Stubborn(stuck)
        self.gates.append(gate)
        self.sim.drive(
            until,
            gates=(gate, MemoryHealth(self.sim.host), MemoryTraffic(self.sim.host)),
            spawn=self.threads.submit,
            clock=StandingClock(self.sim),
            tick_s=0.01,
            gate_s=GATE_S,
        )
        return gate


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    for gate in rig.gates:
        gate.let_go.set()
    rig.threads.close()


def on_v2(state: State) -> Callable[[Look], bool]:
    return lambda look: look.move.state is state and look.side is RuntimeName.V2


def test_it_holds_its_move_and_after_the_hold_limit_that_is_brought_back(rig: Rig) -> None:
    api, web = rig.sim.add("api"), rig.sim.add("web")
    gate = rig.drive(lambda look: look.move.service == api and on_v2(State.BAKING)(look))
    row = rig.sim.row(api)
    assert (row.state, row.counts, row.blocks) == (State.ABORTED, False, False)
    assert row.reason.startswith("held at 100 % for ")
    assert "stubborn: the gate stubborn on v2 has not answered since 09:0" in row.reason
    assert rig.sim.row(web).state is State.FINISHED
    assert gate.waiting == 1
    notes = [e for e in rig.sim.journal.entries if e.kind is EntryKind.NOTE and "has not answered" in e.reason]
    verdicts = notes[0].evidence["verdicts"]
    assert isinstance(verdicts, list)
    assert [(v["gate"], v["outcome"]) for v in verdicts] == [("stubborn", "error"), ("health", "pass"), ("traffic", "pass")]
    assert all(e.reason == notes[0].reason for e in notes)


def test_many_that_hang_leave_the_threads_to_the_others(rig: Rig) -> None:
    stuck = [rig.sim.add(f"stuck{n}") for n in range(4)]
    free = [rig.sim.add(f"free{n}") for n in range(4)]
    rig.sim.policy = replace(rig.sim.policy, concurrency=replace(rig.sim.policy.concurrency, total=8))
    gate = rig.drive(lambda look: look.move.service in stuck and on_v2(State.SHIFTING)(look))
    assert {rig.sim.row(one).state for one in free} == {State.FINISHED}
    assert {rig.sim.row(one).state for one in stuck} == {State.ABORTED}
    assert gate.waiting == 4


def test_another_gate_that_fails_still_brings_it_back(rig: Rig) -> None:
    api = rig.sim.add("api")
    rig.sim.after(60, lambda: rig.sim.kill(api, RuntimeName.V2))
    rig.drive(on_v2(State.SHIFTING))
    assert rig.sim.row(api).state is State.FELL_BACK
    assert "on v2" in rig.sim.row(api).reason


def test_a_gate_that_answers_at_last_lets_it_go_on(rig: Rig) -> None:
    api = rig.sim.add("api")
    rig.sim.after(120, lambda: rig.gates[-1].let_go.set())  # noqa: PLW0108 (the gate is made later)
    gate = rig.drive(on_v2(State.BAKING))
    assert rig.sim.row(api).state is State.FINISHED
    assert (gate.waiting, rig.sim.row(api).counts) == (1, False)
    assert any("has not answered" in e.reason for e in rig.sim.journal.entries)


def test_a_person_brings_it_back_meanwhile(rig: Rig) -> None:
    api = rig.sim.add("api")
    rig.sim.after(60, lambda: rig.sim.ask(ControlKind.REVERT, api))
    rig.drive(on_v2(State.BAKING))
    assert rig.sim.row(api).state is State.FELL_BACK


def test_a_driver_that_is_asked_to_stop_waits_for_no_look(rig: Rig) -> None:
    api = rig.sim.add("api")
    rig.sim.after(40, lambda: setattr(rig.sim, "stop", True))
    gate = rig.drive(on_v2(State.BAKING))
    assert rig.sim.row(api).state is State.BAKING
    assert gate.waiting == 1
    assert (rig.sim.clock.now() - START).total_seconds() < 40 + GATE_S + 60


def test_whether_v2_may_be_kept_is_not_waited_for_for_ever(rig: Rig) -> None:
    api = rig.sim.add("api")
    rig.drive(lambda _: False, Until.WARM)
    gate, row, release = Stubborn(lambda _: True), replace(rig.sim.row(api), state=State.STUCK), rig.sim.journal.release(api)
    rig.gates.append(gate)
    world = replace(rig.sim.world(), gates=(gate,), spawn=rig.threads.submit)
    assert not target_is_healthy(world, row, release, 0.05)
    gate.let_go.set()
    assert target_is_healthy(world, row, release, 30.0)
