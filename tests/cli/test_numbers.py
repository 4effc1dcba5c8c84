"""`explain --numbers`: what was measured and judged of a move, from the store to 80 columns."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.cli.console import report
from rollout.cli.main import app
from rollout.executor.ports import Copy, Look, Order
from rollout.gates.stopping import stopping
from rollout.model.fleet import RuntimeName
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.verdict import Verdict
from rollout.operations.numbers import comparisons, document
from rollout.perf.histogram import of
from rollout.runtimes.memory import MemoryRuntime
from rollout.runtimes.memory_performance import MemoryPerformance
from rollout.store import snapshots
from rollout.wiring.home import Home

Run = Callable[..., tuple[int, str, str]]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = """
name = "quick"
[traffic]
steps = [50, 100]
step = "0s"
bake = "100ms"
keep_warm = "0s"
[gates.health]
passes = 1
looks = 1
over = "0s"
every = "50ms"
[gates.performance]
[[tier]]
name = "trial"
first = 5
budget = 5
"""


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = report(lambda: app(args=list(words), prog_name="rollout", standalone_mode=False))
        caught = capsys.readouterr()
        return code, caught.out, caught.err

    return call


@pytest.fixture
def moved(home: Path, run: Run) -> Home:
    """`slow` has fallen back by the performance gate, `same` has moved; both were measured while both sides served."""
    (home.parent / "quick.toml").write_text(POLICY)
    run("policy", "use", "quick.toml")
    add = ("service", "add", "--tier", "trial", "--engine", "memory", "--command", "run")
    run(*add, "slow", "--label", "fault.v2.slower=0.4")
    run(*add, "same")
    run("service", "deploy", "slow", "same")
    run("plan")
    run("execute", "wave-1", "--yes")
    database = Home(home).database()
    with database.writing() as session:
        for side, milliseconds in ((RuntimeName.LEGACY, 20.0), (RuntimeName.V2, 28.0)):
            snapshot = Snapshot(
                move="wave-1/production/slow",
                service="production/slow",
                runtime=side,
                phase=Phase.DURING,
                instrument="edge access log (Envoy)",
                began=NOON,
                ended=NOON + timedelta(seconds=10),
                weight=50,
                requests=100,
                errors=2,
                latencies=of([milliseconds] * 90 + [2 * milliseconds] * 10),
                cpu_cores=0.25,
                memory_bytes=20_000_000,
            )
            snapshots.put(session, [snapshot])
    database.close()
    return Home(home)


def test_periods_plot_and_verdicts_fit_80_columns(moved: Home, run: Run) -> None:
    code, text, _ = run("explain", "slow", "--numbers")
    lines = text.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert lines[0].startswith("wave-1/production/slow: fell back since ")
    measured = ["during", "legacy", "10", "10.0", "2.0%", "20.0", "40.0", "40.0", "0.25", "20", "MB"]
    there = next(line.split() for line in lines if line.startswith("during"))
    assert [*there[:5], *there[8:]] == [*measured[:5], *measured[8:]]
    assert [float(value) for value in there[5:8]] == [pytest.approx(float(value), rel=0.015) for value in measured[5:8]]
    assert [line.split()[:2] for line in lines if "█" in line] == [["during", "legacy"], ["during", "v2"]]
    place = lines.index("performance: fail (shifting, 50 % on v2)")
    assert "v2 is 40% slower than legacy, allowed 20%" in lines[place + 1]


def test_as_json(moved: Home, run: Run) -> None:
    found = json.loads(run("explain", "slow", "--numbers", "--json")[1])["numbers"]
    assert found["state"] == "fell_back"
    assert found["comparison"]["verdict"] == "fail"
    assert found["comparison"]["legacy_p50_ms"] == pytest.approx(20, rel=0.01)
    assert found["comparison"]["v2_p99_ms"] == pytest.approx(56, rel=0.01)
    assert [period["snapshot"]["latencies"]["buckets"] != [] for period in found["periods"]] == [True, True]
    said = next(verdict for verdict in found["verdicts"] if verdict["gate"] == "performance")
    assert (said["outcome"], said["evidence"]["max_slowdown"], said["weight"]) == ("fail", 0.2, 50)
    assert [took["what"] for took in found["took"]] == ["published", "launched"]


def explained(home: Path, run: Run, *labels: str) -> list[str]:
    """What `explain --numbers` tells of a service after its move."""
    (home.parent / "quick.toml").write_text(POLICY)
    run("policy", "use", "quick.toml")
    add = ("service", "add", "one", "--tier", "trial", "--engine", "memory", "--command", "run")
    run(*add, *(word for label in labels for word in ("--label", label)))
    run("service", "deploy", "one")
    run("plan")
    run("execute", "wave-1", "--yes")
    return run("explain", "one", "--numbers")[1].splitlines()


def test_launch_and_discovery_are_figures_of_their_own(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime's own times stand in the place of the step's, which is longer."""
    launch = MemoryRuntime.launch

    def timed(self: MemoryRuntime, order: Order) -> Copy:
        return replace(launch(self, order), launched_s=0.4, discoverable_s=0.9)

    monkeypatch.setattr(MemoryRuntime, "launch", timed)
    (told,) = [line for line in explained(home, run) if line.startswith("on v2: ")]
    assert told.endswith("launched in 0.40 s, discoverable in 0.90 s")
    assert told.count(" in ") == 3
    took = json.loads(run("explain", "one", "--numbers", "--json")[1])["numbers"]["took"]
    assert [(one["what"], one["seconds"]) for one in took[1:]] == [("launched", 0.4), ("discoverable", 0.9)]


def test_a_dry_run_is_measured_too_and_leaves_nothing(home: Path, run: Run) -> None:
    (home.parent / "quick.toml").write_text(POLICY.replace('step = "0s"', 'step = "10s"'))
    run("policy", "use", "quick.toml")
    run("service", "add", "one", "--tier", "trial", "--engine", "memory", "--command", "run", "--label", "fault.v2.slower=0.1")
    run("service", "deploy", "one")
    run("plan")
    _, told, said = run("execute", "wave-1", "--dry-run")
    assert "simulated: " in told + said
    events = [json.loads(line) for line in run("execute", "wave-1", "--dry-run", "--json")[1].splitlines()]
    (measured,) = [event for event in events if event["event"] == "measured"]
    assert measured["service"] == "production/one"
    found = [(one["phase"], one["runtime"], one["snapshot"]["weight"]) for one in measured["periods"]]
    assert found == [("before", "legacy", 0), ("during", "legacy", 50), ("during", "v2", 50), ("after", "v2", 100)]
    assert all(one["snapshot"]["instrument"].startswith("simulated: ") for one in measured["periods"])
    legacy, v2 = measured["periods"][1:3]
    assert legacy["snapshot"]["latencies"]["buckets"]
    assert v2["figures"]["p50_ms"] == pytest.approx(1.1 * legacy["figures"]["p50_ms"], rel=0.02)
    assert run("explain", "one", "--numbers")[1] == "no move of one to v2 has begun: nothing was measured yet\n"


def test_from_the_first_bad_sample_to_the_decision(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    look = MemoryPerformance.look

    def tells_its_speed(self: MemoryPerformance, shown: Look) -> Verdict:
        found = look(self, shown)
        return replace(found, evidence={**found.evidence, **stopping(shown.now - timedelta(seconds=2.5), shown.now)})

    monkeypatch.setattr(MemoryPerformance, "look", tells_its_speed)
    lines = explained(home, run, "fault.v2.slower=0.4")
    place = lines.index("performance: fail (shifting, 50 % on v2)")
    assert "  first bad sample to decision: 2.5 s" in lines[place:]
    assert not any("first bad sample" in line for line in lines[:place])


def test_one_line_for_each_service_as_report_and_demo_want_it(moved: Home) -> None:
    database = moved.database()
    same, slow = (document(one) for one in comparisons(database, ["production/slow", "production/same"]))
    database.close()
    assert same == {
        "service": "production/same",
        "legacy_p50_ms": None,
        "v2_p50_ms": None,
        "legacy_p99_ms": None,
        "v2_p99_ms": None,
        "verdict": "pass",
    }
    assert (slow["service"], slow["verdict"]) == ("production/slow", "fail")
    assert slow["v2_p50_ms"] == pytest.approx(28, rel=0.01)


def test_what_has_not_begun_and_what_is_not_there(home: Path, run: Run) -> None:
    run("service", "add", "new", "--tier", "trial", "--engine", "memory", "--command", "run")
    assert run("explain", "new", "--numbers")[:2] == (0, "no move of new to v2 has begun: nothing was measured yet\n")
    assert json.loads(run("explain", "new", "--numbers", "--json")[1])["numbers"] is None
    code, _, error = run("explain", "nosuch", "--numbers")
    assert (code, "no service nosuch" in error) == (2, True)
