"""Snapshots of several steps are one of them all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.model.fleet import RuntimeName
from rollout.model.plain import from_plain, to_plain
from rollout.model.snapshot import Phase, Snapshot
from rollout.perf.histogram import of
from rollout.perf.snapshots import figures, periods

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STEP = Snapshot(
    move="wave-1/shop/api",
    service="shop/api",
    runtime=RuntimeName.V2,
    phase=Phase.DURING,
    instrument="a test",
    began=NOON,
    ended=NOON + timedelta(seconds=10),
    weight=25,
    requests=100,
    errors=1,
    latencies=of([10.0] * 100),
    cpu_cores=0.2,
    memory_bytes=1000,
)
LATER = replace(
    STEP,
    began=NOON + timedelta(seconds=20),
    ended=NOON + timedelta(seconds=50),
    weight=50,
    requests=500,
    errors=0,
    latencies=of([20.0] * 500),
    cpu_cores=0.4,
    memory_bytes=2000,
)


def test_steps_add_up() -> None:
    (whole,) = periods([LATER, STEP]).values()
    assert (whole.requests, whole.errors, whole.weight, whole.seconds) == (600, 1, 50, 40)
    assert whole.load == 15
    assert whole.cpu_cores == pytest.approx(0.35)
    assert whole.memory_bytes == 1750
    assert figures(whole).p50_ms == pytest.approx(20, rel=0.01)
    assert whole.latencies.n == 600


def test_what_nobody_could_measure_is_not_made_up() -> None:
    (whole,) = periods([replace(STEP, cpu_cores=None, memory_bytes=None), LATER]).values()
    assert whole.cpu_cores == pytest.approx(0.4)
    (none,) = periods([replace(STEP, cpu_cores=None, memory_bytes=None, requests=0, latencies=of([]))]).values()
    told = figures(none)
    assert (told.p50_ms, told.cpu_cores, told.memory_bytes, told.load) == (None, None, None, 0.0)


def test_periods_come_as_people_read_them() -> None:
    before = replace(STEP, phase=Phase.BEFORE, runtime=RuntimeName.LEGACY)
    after = replace(LATER, phase=Phase.AFTER)
    assert list(periods([after, STEP, before])) == [
        (Phase.BEFORE, RuntimeName.LEGACY),
        (Phase.DURING, RuntimeName.V2),
        (Phase.AFTER, RuntimeName.V2),
    ]


def test_a_snapshot_goes_through_json() -> None:
    assert from_plain(Snapshot, to_plain(STEP)) == STEP
