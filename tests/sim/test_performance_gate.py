"""What the performance gate does to a move, in virtual time."""

from dataclasses import replace

from rollout.executor.ports import Look
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Strategy
from rollout.model.policy import Inconclusive, PerformanceGate
from rollout.model.state import State
from rollout.model.verdict import Verdict
from rollout.runtimes.memory import Fault, MemoryHealth
from rollout.runtimes.memory_performance import MemoryPerformance
from tests.sim.simworld import POLICY, SimWorld

V2 = RuntimeName.V2


class Watched(MemoryPerformance):
    """Remembers at which weights it was asked."""

    weights: set[int]

    def look(self, look: Look) -> Verdict:
        self.weights.add(look.weight)
        return super().look(look)


def drive(fault: Fault, rule: Inconclusive = Inconclusive.HOLD, strategy: Strategy = Strategy.OVERLAP):
    tiers = (replace(POLICY.tiers[0], inconclusive=rule),)
    sim = SimWorld(policy=replace(POLICY, tiers=tiers))
    api = sim.add("api", strategy=strategy)
    sim.host.faults[api, V2] = fault
    gate = Watched(sim.host, PerformanceGate(max_slowdown=0.2))
    gate.weights = set()
    sim.drive(gates=(MemoryHealth(sim.host),), comparing=(gate,))
    return sim, sim.row(api), gate


def test_a_slower_service_falls_back_with_its_evidence_and_is_blocked() -> None:
    sim, row, gate = drive(Fault(slower=0.4))
    assert row.state is State.FELL_BACK
    assert row.reason == "performance: v2 is 40% slower than legacy, allowed 20%"
    assert gate.weights == {50}
    failed = next(e for e in sim.journal.entries if e.event and e.event.value == "failed")
    assert failed.evidence["verdicts"][-1]["gate"] == "performance"
    assert failed.evidence["verdicts"][-1]["max_slowdown"] == 0.2


def test_an_equal_one_moves_and_is_asked_in_one_step_alone() -> None:
    _, row, gate = drive(Fault(slower=0.1))
    assert row.state is State.FINISHED
    assert gate.weights == {50}


def test_without_requests_it_is_held_and_comes_back_unblocked() -> None:
    _, row, _ = drive(Fault(silent=True))
    assert row.state is State.ABORTED
    assert not row.blocks


def test_without_requests_ours_decide_where_the_tier_says_so() -> None:
    _, row, _ = drive(Fault(silent=True), Inconclusive.PROBE)
    assert row.state is State.FINISHED
    _, row, _ = drive(Fault(silent=True, slower=0.4), Inconclusive.PROBE)
    assert row.state is State.FELL_BACK


def test_accept_says_that_it_could_not_tell() -> None:
    sim, row, _ = drive(Fault(silent=True), Inconclusive.ACCEPT)
    assert row.state is State.FINISHED
    assert any("accepted although inconclusive: performance" in e.reason for e in sim.journal.entries)


def test_where_both_never_serve_at_once_it_is_absent_with_the_reason() -> None:
    sim, row, gate = drive(Fault(slower=0.9), strategy=Strategy.RECREATE)
    assert row.state is State.FINISHED
    assert gate.weights == set()
    said = [e.evidence["absent"] for e in sim.journal.entries if "absent" in e.evidence]
    assert {"performance": "legacy and v2 never serve at the same time"} in said
