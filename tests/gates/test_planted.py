"""Each planted fault before each gate, and before all of them together, in virtual time: what becomes of the move.

| fault                     | health | errors | latency | performance | together | stopped by              |
|---------------------------|--------|--------|---------|-------------|----------|-------------------------|
| none                      | moves  | moves  | moves   | moves       | moves    |                         |
| crash                     | stops  | stops  | stops   | stops       | stops    | the copy, which ended   |
| 5xx from the 30th request | moves  | stops  | moves   | unsure      | stops    | traffic                 |
| 40 % slower               | moves  | moves  | moves   | stops       | stops    | performance             |
| 3 times as slow           | moves  | moves  | stops   | stops       | stops    | traffic                 |
| hangs from its launch     | stops  | stops  | moves   | unsure      | stops    | health                  |
| hangs after 6 s           | stops  | stops  | moves   | unsure      | stops    | health                  |
| refuses after 6 s         | stops  | stops  | moves   | unsure      | stops    | health and traffic      |
| wrong body                | stops  | moves  | moves   | moves       | stops    | health                  |
| unhealthy after 6 s       | stops  | moves  | moves   | moves       | stops    | health                  |
| idle                      | moves  | unsure | unsure  | unsure      | unsure   | traffic and performance |
| samples cannot be read    | moves  | broken | broken  | broken      | broken   | traffic and performance |

`stops`: it fell back and is blocked. `unsure` and `broken`: held, and after `hold_limit` it came back, not blocked. `errors` and
`latency` are the halves of the traffic gate, each asked without the other. A copy that ends is seen by the driver before any
gate is asked. A gate alone lets through what the others are there for: that is why there are three.

The same with real processes behind the real edge, one fault for each gate: tests/scenarios/test_gates.py.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry
from rollout.model.state import State
from tests.gates.planted import FAULTS, GATES, Scene

COLUMNS = ("health", "errors", "latency", "performance", "together")
SAID: Mapping[tuple[str, str], str] = {
    ("5xx from the 30th request", "traffic"): "v2 failed ",
    ("40 % slower", "performance"): "% slower than legacy at the same time (median ",
    ("3 times as slow", "traffic"): "v2 is much slower than legacy at the same time: ",
    ("3 times as slow", "performance"): "% slower than legacy at the same time (median ",
    ("hangs from its launch", "health"): "0 of 3 looks good, 2 of 3 needed: v2: no answer within 2 s",
    ("hangs from its launch", "traffic"): "(100.0%), legacy 0.0%, allowed 2.0%",
    ("hangs after 6 s", "health"): "1 of 3 looks good, 2 of 3 needed: v2: no answer within 2 s",
    ("hangs after 6 s", "traffic"): "(100.0%), legacy 0.0%, allowed 2.0%",
    ("refuses after 6 s", "health"): "1 of 3 looks good, 2 of 3 needed: v2: refused",
    ("refuses after 6 s", "traffic"): "v2 failed ",
    ("wrong body", "health"): "0 of 3 looks good, 2 of 3 needed: v2: 200 without 'ok'",
    ("unhealthy after 6 s", "health"): "1 of 3 looks good, 2 of 3 needed: v2: 503",
}
"""What a gate says when it stops a move, for each that it stops."""
RULE = {
    "health": ("needed", 2),
    "traffic": ("max_increase", 0.02),
    "latency": ("max_slowdown", 1.0),
    "performance": ("max_slowdown", 0.2),
}


def table() -> Iterator[tuple[str, str, str, str]]:
    """Fault, gates that are asked, outcome, and by what it was stopped: from the docstring."""
    lines = [line for line in (__doc__ or "").splitlines() if line.startswith("| ")][1:]
    for line in lines:
        fault, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for asked, outcome in zip(COLUMNS, cells, strict=False):
            yield fault, asked, outcome, cells[-1] if asked == "together" else asked


def test_the_table_holds_every_fault() -> None:
    assert [fault for fault, asked, *_ in table() if asked == "together"] == list(FAULTS)
    assert tuple(GATES) == COLUMNS


def ended(scene: Scene, service: str) -> Entry:
    """What brought the move back."""
    return next(e for e in scene.sim.journal.entries if e.move.endswith(service) and e.changes.get("state") == "falling_back")


@pytest.mark.parametrize(("fault", "asked", "outcome", "by"), list(table()))
def test_what_becomes_of_it(fault: str, asked: str, outcome: str, by: str) -> None:
    scene = Scene(FAULTS[fault])
    service = scene.drive(asked)
    row = scene.sim.row(service)
    if outcome == "moves":
        assert row.state is State.FINISHED, row.reason
        return
    assert scene.sim.host.weights[service][RuntimeName.LEGACY] == 100
    assert scene.sim.host.healthy(service, RuntimeName.LEGACY)
    assert row.blocks is (outcome == "stops")
    if outcome != "stops":
        assert row.state is State.ABORTED
        assert row.reason.startswith("held at 50 % for 30 s: ")
        word = {"unsure": "inconclusive (", "broken": "the edge's samples cannot be read: the log is not there"}[outcome]
        assert word in row.reason
        return
    assert row.state is State.FELL_BACK
    if fault == "crash":
        assert row.reason == "0 of 1 copies run on v2, the last one ended with 1"
        return
    gates = {"errors": "traffic", "latency": "traffic"}.get(by, by).split(" and ")
    verdicts = {v["gate"]: v for v in ended(scene, service).evidence["verdicts"] if v["outcome"] == "fail"}  # type: ignore[attr-defined]
    assert list(verdicts) == gates
    for gate, verdict in verdicts.items():
        assert SAID[fault, gate] in verdict["reason"]
        assert f"{gate}: {verdict['reason']}" in row.reason
        assert_told(verdict, ended(scene, service), slow="slow" in fault)


def assert_told(verdict: Mapping[str, Any], entry: Entry, *, slow: bool) -> None:
    """Rule, threshold, and how long it took from the first bad sample to the decision."""
    gate = "latency" if slow and verdict["gate"] == "traffic" else verdict["gate"]
    told = verdict["latency"] if gate == "latency" else verdict
    name, threshold = RULE[gate]
    assert told["rule"]
    assert told[name] == threshold
    seconds = (entry.at - datetime.fromisoformat(verdict["bad_since"])).total_seconds()
    assert verdict["seen_to_stop_s"] == pytest.approx(seconds, abs=0.001)
    assert 0 < seconds <= 30
