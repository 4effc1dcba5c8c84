"""The same program on both sides, as a real edge saw it (real_run.csv): it is stopped no more often than stated."""

import csv
from collections import Counter
from pathlib import Path
from random import Random

from rollout.gates.signed_rank import SignedRank
from rollout.model.fleet import RuntimeName
from rollout.model.policy import PerformanceGate
from rollout.perf.blocks import Timed, after_warm_up, blocks, size

RULES = PerformanceGate(min_requests=150, warm_up=10, alpha=0.01)
RUNS = 200


def recorded() -> list[Timed]:
    with Path(__file__).with_name("real_run.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Timed(RuntimeName(row["side"]), float(row["milliseconds"]), float(row["began_s"])) for row in rows]


def outcomes(slower: float) -> Counter[str]:
    """Who answered which request is drawn anew for each run: that is what chance could have done."""
    found: Counter[str] = Counter()
    real = recorded()
    for seed in range(RUNS):
        chance = Random(seed)
        sides = [chance.choice(list(RuntimeName)) for _ in real]
        drawn = [
            Timed(side, one.milliseconds * (1 + slower if side is RuntimeName.V2 else 1), one.ended)
            for side, one in zip(sides, real, strict=True)
        ]
        compared = SignedRank().compare(blocks(after_warm_up(drawn, RULES.warm_up), size(RULES.quantile)), RULES)
        found[str(compared.outcome) if compared else "none"] += 1
    return found


def test_as_it_was_it_passes() -> None:
    compared = SignedRank().compare(blocks(after_warm_up(recorded(), RULES.warm_up), size(RULES.quantile)), RULES)
    assert compared is not None
    assert str(compared.outcome) == "pass"


def test_an_innocent_service_is_not_stopped() -> None:
    found = outcomes(slower=0.0)
    assert found["fail"] <= RULES.alpha * RUNS
    assert found["pass"] >= 0.95 * RUNS


def test_the_same_requests_slowed_down_by_40_percent_are() -> None:
    found = outcomes(slower=0.4)
    assert found["fail"] >= 0.95 * RUNS
    assert found["pass"] == 0
