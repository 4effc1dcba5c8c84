"""The live view, drawn into windows of three sizes and compared with golden text; and what holds for every window."""

import io
import os
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from rollout.cli.glyphs import Glyphs, glyphs
from rollout.cli.live_columns import Window
from rollout.cli.live_view import drawn, eta_text
from rollout.model.state import State
from rollout.operations.eta import Eta, Unsure
from rollout.operations.status import Status
from tests.cli.scenes import MIXED, PAUSE, REVERTED, SCENES, SLOWER, move, status

GOLDEN = Path(__file__).parent / "live_view"
WINDOWS = (Window(80, 24), Window(200, 50), Window(40, 10, Glyphs(unicode=False)))


def shown(status: Status, window: Window, said: tuple[str, ...] = ()) -> list[str]:
    """The lines as a terminal of that size gets them from rich."""
    file = io.StringIO()
    console = Console(file=file, width=window.width, height=window.height, highlight=False, no_color=True)
    console.print(Group(*drawn(status, window, said=said)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("name", SCENES)
def test_the_view_in_three_windows(name: str) -> None:
    told = ""
    for window in WINDOWS:
        told += f"== {window.width}x{window.height}\n" + "".join(f"{line}\n" for line in shown(SCENES[name], window))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(told)
    assert told == path.read_text()


@pytest.mark.parametrize("name", SCENES)
def test_it_never_leaves_its_window(name: str) -> None:
    for width in (20, 40, 59, 60, 80, 133, 200):
        for height in (4, 10, 13, 14, 24, 50):
            for unicode in (True, False):
                lines = drawn(SCENES[name], Window(width, height, Glyphs(unicode)), said=("waiting: wave-3 is paused",))
                assert len(lines) <= height
                assert max(cell_len(line.plain) for line in lines) <= width
                assert all(line.plain.isprintable() for line in lines)
                assert unicode or all(line.plain.isascii() for line in lines)


def test_failures_stand_before_what_is_in_flight_and_are_all_told_where_there_is_room() -> None:
    lines = shown(SCENES["mixed"], Window(80, 50))
    failed = [n for n, line in enumerate(lines) if "fell back" in line and line.startswith("  shop/failed")]
    moving = [n for n, line in enumerate(lines) if line.startswith("  shop/shift")]
    assert len(failed) == 6
    assert max(failed) < min(moving)
    assert any("  shop/api" in line and "stuck" in line for line in lines[: min(failed)])


def test_where_there_is_no_room_the_rest_is_counted_and_nothing_is_left_out() -> None:
    for window in WINDOWS:
        lines = shown(status(MIXED, size=500), window)
        listed = sum(line.startswith("  ") and not line.startswith(("  and", "   ", "  service")) for line in lines)
        counted = sum(int(line.split()[1]) for line in lines if line.startswith("  and "))
        assert listed + counted == 7 + 2 + 4 + 7 + 5 + 200


def test_a_reason_is_told_in_full_where_there_is_room() -> None:
    long = SLOWER + "; performance: p99 140 ms, legacy 100 ms, allowed 20 % more; and so it had to go back again"
    lines = shown(status([move("shop/api", State.FELL_BACK, reason=long)]), Window(80, 24))
    assert " ".join(line.strip() for line in lines[2:5]) == long


def test_who_did_what_is_told_with_its_age_and_the_way_on() -> None:
    first, second, third, *_ = shown(status(MIXED, controls=(PAUSE,), acts=(REVERTED,)), Window(80, 24))
    assert first.endswith("unknown: paused")
    assert second == "wave-3 paused by anna@web-1 3 s ago: lunch; next: rollout resume wave-3"
    assert third == "shop/api reverted by bob@h1 2 s ago: it is slow"


def test_what_the_command_says_stands_with_the_alerts() -> None:
    assert shown(SCENES["one"], Window(80, 24), said=("stopping: saved first",))[1] == "stopping: saved first"


def test_words_for_an_estimate() -> None:
    assert eta_text(None) == ""
    assert eta_text(Eta(seconds_left=725)) == "about 12 min"
    assert eta_text(Eta(seconds_left=725, bound=True)) == "at most 12 min"
    assert eta_text(Eta(unsure=Unsure.APPROVAL)) == "unknown: waiting for approval"


def test_the_locale_says_what_can_be_shown() -> None:
    assert glyphs({"LANG": "de_DE.UTF-8"}).unicode
    assert glyphs({"LC_ALL": "en_US.utf8", "LANG": "C"}).unicode
    assert not glyphs({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}).unicode
    assert not glyphs({"LANG": "C", "LC_CTYPE": "C.UTF-8"}).unicode
    assert not glyphs({}).unicode
