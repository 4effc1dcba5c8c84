"""Lines for people."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from rollout.cli import console
from rollout.cli.console import folded, lay, tell_pairs

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


def terminal(width: int) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False), file


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_value_is_folded_beside_its_label(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, file = terminal(width)
    monkeypatch.setattr(console, "out", lambda: screen)
    tell_pairs([("service", "shop/web"), ("waits for", LONG), ("", "its owner")])
    first, *rest, last = file.getvalue().splitlines()
    assert first == "service    shop/web"
    assert rest[0].startswith("waits for  wave-1: ")
    assert all(line.startswith(" " * 11) and line[11] != " " for line in [*rest[1:], last])
    assert " ".join(line.strip() for line in rest).removeprefix("waits for  ") == LONG
    assert all(len(line) <= width for line in rest)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("style", ["", "red"])
def test_a_laid_line_goes_on_indented_with_its_colours(width: int, style: str) -> None:
    screen, file = terminal(width)
    line = Text("  shop/web  ")
    line.append("fell back", style=style)
    line.append(f"  {LONG}")
    lay(screen, line)
    first, *rest = file.getvalue().splitlines()
    assert first.startswith("  shop/web  fell back")
    assert all(part.startswith("    ") and part[4] != " " and len(part) <= width for part in rest)
    assert " ".join(part.strip() for part in (first, *rest)).split() == line.plain.split()
