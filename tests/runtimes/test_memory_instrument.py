"""Snapshots on the engine `memory`: shaped as those of a real edge, and said to be simulated."""

import pytest

from rollout.model.fleet import Kind, RuntimeName
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import State
from rollout.perf.histogram import quantile
from rollout.perf.snapshots import PERIODS, figures, periods
from rollout.runtimes.memory import Fault, MemoryHealth
from rollout.runtimes.memory_instrument import BYTES, INSTRUMENT, MEDIAN_MS, PER_S, SHAPE, histogram
from tests.sim.simworld import SimWorld

L, V = RuntimeName.LEGACY, RuntimeName.V2


def moved(fault: Fault, kind: Kind = Kind.HTTP) -> tuple[SimWorld, list[Snapshot]]:
    """A move that no gate for traffic stops, whatever is wrong with v2."""
    sim = SimWorld()
    api = sim.add("api", kind=kind)
    sim.host.faults[api, V] = fault
    sim.drive(gates=(MemoryHealth(sim.host),))
    return sim, sim.journal.measured


def test_every_period_has_its_share_of_the_requests_and_says_that_it_is_simulated() -> None:
    sim, found = moved(Fault())
    assert sim.row("shop/api").state is State.FINISHED
    assert list(periods(found)) == list(PERIODS)
    assert {snapshot.instrument for snapshot in found} == {INSTRUMENT}
    assert INSTRUMENT.startswith("simulated: ")
    for one in found:
        share = one.weight if one.runtime is V else 100 - one.weight
        assert one.load == pytest.approx(PER_S * share / 100)
        assert (one.errors, one.latencies.n) == (0, one.requests)
        assert one.requests > 0
        assert one.cpu_cores == pytest.approx(one.load * 0.002)
        assert one.memory_bytes == BYTES


def test_a_slower_side_is_slower_and_uses_more() -> None:
    _, found = moved(Fault(slower=0.4))
    legacy, v2 = (figures(periods(found)[Phase.DURING, side]) for side in (L, V))
    assert (legacy.p50_ms, v2.p50_ms) == (pytest.approx(MEDIAN_MS, rel=0.02), pytest.approx(1.4 * MEDIAN_MS, rel=0.02))
    assert v2.p99_ms == pytest.approx(1.4 * (legacy.p99_ms or 0), rel=0.03)
    assert (v2.cpu_cores or 0) / v2.load == pytest.approx(1.4 * (legacy.cpu_cores or 0) / legacy.load)


def test_a_side_that_errs_has_errors_and_no_latencies() -> None:
    _, found = moved(Fault(errs=True))
    sides = {one.runtime: one for one in found if one.phase is Phase.DURING}
    assert (sides[V].error_rate, sides[V].latencies.n) == (1.0, 0)
    assert (sides[L].error_rate, sides[L].latencies.n) == (0.0, sides[L].requests)


@pytest.mark.parametrize(("fault", "kind"), [(Fault(silent=True), Kind.HTTP), (Fault(), Kind.WORKER)])
def test_what_nobody_asks_has_no_requests(fault: Fault, kind: Kind) -> None:
    _, found = moved(fault, kind)
    v2 = [one for one in found if one.runtime is V]
    assert v2
    assert all((one.requests, one.latencies.n) == (0, 0) and one.memory_bytes == BYTES for one in v2)


@pytest.mark.parametrize("requests", [0, 1, 7, 100, 1234])
def test_every_request_is_in_the_histogram(requests: int) -> None:
    found = histogram(requests, 20.0)
    assert found.n == requests
    if requests >= 100:
        assert quantile(found, 0.5) == pytest.approx(20.0, rel=0.05)
        assert (found.lowest, found.highest) == (20.0 * SHAPE[0], 20.0 * SHAPE[-1])
        assert found.total == pytest.approx(requests * 20.0 * sum(SHAPE) / 100, rel=0.02)
