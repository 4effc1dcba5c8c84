"""Both sides are compared in the last traffic step below 100 %, and nowhere else."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.executor.comparing import compares, never_compares
from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import State

ROW = Move(
    id="wave-1/shop/api",
    service="shop/api",
    wave=1,
    source=RuntimeName.LEGACY,
    target=RuntimeName.V2,
    strategy=Strategy.OVERLAP,
    since=datetime(2026, 1, 5, tzinfo=UTC),
    state=State.SHIFTING,
    steps=(1, 10, 50, 100),
)


@pytest.mark.parametrize(
    ("step", "weight", "state", "said"),
    [
        (0, 1, State.SHIFTING, False),
        (1, 10, State.SHIFTING, False),
        (2, 10, State.SHIFTING, False),
        (2, 50, State.SHIFTING, True),
        (3, 100, State.SHIFTING, False),
        (3, 100, State.BAKING, False),
        (2, 50, State.PROVING, False),
    ],
)
def test_when(step: int, weight: int, state: State, said: bool) -> None:
    assert compares(replace(ROW, step=step, weight=weight, state=state)) is said
    assert never_compares(ROW) == ""


def test_a_move_whose_sides_never_serve_at_once_says_so() -> None:
    for row in (replace(ROW, steps=(100,)), replace(ROW, strategy=Strategy.RECREATE, steps=(100,))):
        assert not compares(replace(row, weight=100))
        assert never_compares(row) == "legacy and v2 never serve at the same time"


def test_a_back_move_is_not_compared() -> None:
    back = replace(ROW, source=RuntimeName.V2, target=RuntimeName.LEGACY, step=2, weight=50)
    assert not compares(back)
    assert never_compares(back) == ""
