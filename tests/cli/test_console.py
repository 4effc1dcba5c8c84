"""Lines for people."""

import pytest

from rollout.cli.console import folded

LONG = "wave-1: 1 warm, legacy kept until 14:02:03 · 1 fell back: shop/web: health: does not answer; next: rollout retry shop/web"


def test_a_short_line_stays_as_it_is() -> None:
    assert folded("  shop/web  fell back: health", 80) == "  shop/web  fell back: health"


@pytest.mark.parametrize("width", range(40, 130))
def test_a_long_line_goes_on_indented_and_nothing_is_lost(width: int) -> None:
    lines = folded(f"  {LONG}", width).split("\n")
    assert all(line.startswith("    ") for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == LONG
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", range(40, 130))
@pytest.mark.parametrize(
    "call", ["rollout retry shop/web", "rollout approve wave-1 --reason 'all is well'", "rollout pause wave-3"]
)
def test_a_call_to_copy_is_never_broken(call: str, width: int) -> None:
    told = folded(f"interrupted, everything is saved; the scheduler goes on with it: {call}, or wait until it has ended", width)
    assert any(call in line for line in told.split("\n"))
