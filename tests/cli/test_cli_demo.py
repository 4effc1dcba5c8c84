"""The demo's drawing, its one document, and its exit codes; the story itself is played by a stand-in."""

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from rich.cells import cell_len
from rich.console import Console

from rollout.cli import demo as command
from rollout.cli.demo_text import DRAWN, lines, write
from rollout.cli.demo_view import Telling, news
from rollout.cli.main import main
from rollout.demo import events
from rollout.demo.document import Record
from rollout.model.fleet import Kind, Tier
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison

TOLD: list[events.Event] = [
    events.Doing(text="starting what it needs"),
    events.Opened(edge="127.0.0.1:4711", example="preview.blog.internal"),
    events.Deployed(service="shop/coupons", tier=Tier.TRIAL, kind=Kind.HTTP, fault="crashes on v2"),
    events.Said(text="bank/cards is pinned by ann: a trade fair"),
    events.Planned(waves=(("wave-1", Tier.TRIAL, ("shop/coupons",)),), summary="Plan: 1 to move, 0 excluded"),
    events.Began(wave="wave-1", tier=Tier.TRIAL, services=("shop/coupons",)),
    events.Changed(service="shop/coupons", state=State.FALLING_BACK, note="it ended"),
    events.FellBack(service="shop/coupons", reason="it ended [with 1]", lines=("fatal: no socket",)),
    events.Ended(wave="wave-1", tier=Tier.TRIAL, moved=0, fell_back=1, seconds=4.25),
    events.Repaired(service="shop/coupons", release=2),
    events.Finished(services=9),
    events.Compared(
        lines=(
            Comparison(
                service="shop/prices",
                legacy_p50_ms=31.5,
                v2_p50_ms=43.25,
                legacy_p99_ms=None,
                v2_p99_ms=50.0,
                verdict=Outcome.FAIL,
            ),
        )
    ),
    events.Finalized(),
    events.Kept(home="/tmp/rollout-demo-x", service="shop/api"),
    events.Asked(),
    events.Closing(),
    events.Closed(leftovers=()),
]


@dataclass
class Played:
    """Tells its events; a signal makes it end."""

    error: str = ""
    record: Record = field(default_factory=Record)
    meanwhile: Callable[[], None] = lambda: None
    asked: bool = False

    def events(self) -> Iterator[events.Event]:
        self.meanwhile()
        yield from (event for event in TOLD if self.asked or not isinstance(event, events.Asked))
        if self.asked:
            self.error = "interrupted"

    def interrupt(self) -> None:
        self.asked = True


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The handlers are as they were before."""
    before = {number: signal.getsignal(number) for number in command.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(monkeypatch: pytest.MonkeyPatch, played: Played, *options: str) -> int:
    monkeypatch.setattr("rollout.cli.demo.story", lambda **_: played)
    with pytest.raises(SystemExit) as ending:
        main(["demo", *options])
    return int(ending.value.code or 0)


def written(event: events.Event, seconds: float, *, width: int, terminal: bool = False) -> str:
    """What stands in a window of that width, or in a pipe."""
    stream = io.StringIO()
    target = Console(file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False)
    write(target, lines(event, seconds, width))
    return stream.getvalue()


def test_every_event_is_drawn_and_no_markup_is_taken_from_it() -> None:
    text = "".join(written(event, 1.5, width=200) for event in TOLD)
    assert set(DRAWN) == {type(event) for event in TOLD}
    assert "The edge listens on http://127.0.0.1:4711/" in text.splitlines()[1]
    for part in (
        "crashes on v2",
        "1.5 s",
        "[with 1]",
        "wrote: fatal: no socket",
        "0 moved, 1 fell back, 4.2 s",
        "written off",
        "43.2",
        "as it was before its repair",
        "a trade fair",
        "ROLLOUT_HOME=/tmp/rollout-demo-x/.rollout",
        "rollout down --yes && rm -r /tmp/rollout-demo-x",
    ):
        assert part in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_line_fits_the_window_but_for_what_people_copy(width: int) -> None:
    for event in TOLD:
        for line in written(event, 101.5, width=width, terminal=True).splitlines():
            copied = line.lstrip().startswith(("curl ", "export ", "rollout "))
            assert copied or cell_len(line) <= width, line


def test_the_table_keeps_every_number_where_the_window_is_narrow() -> None:
    compared = next(event for event in TOLD if isinstance(event, events.Compared))
    narrow = written(compared, 0, width=40, terminal=True)
    assert "shop/prices   31.5→43.2    -→50.0 fail" in narrow.splitlines()


def test_in_a_pipe_nothing_is_folded() -> None:
    fell = events.FellBack(service="shop/api", reason="because " * 30)
    assert len(written(fell, 0, width=40).splitlines()) == 1
    assert len(written(fell, 0, width=40, terminal=True).splitlines()) > 5


def test_what_is_still_there_is_told() -> None:
    assert written(events.Closed(leftovers=("process 7: sleep",)), 1.0, width=200).strip() == "still there: process 7: sleep"


def test_the_live_view_is_told_what_is_special_about_a_wave_and_what_a_failed_copy_wrote() -> None:
    special = {"shop/coupons": "crashes on v2"}
    began = events.Began(wave="wave-1", tier=Tier.TRIAL, services=("shop/coupons", "shop/api"))
    assert news(began, special) == ["wave-1 (trial) begins, with shop/coupons (crashes on v2)"]
    wrote = events.FellBack(service="shop/coupons", reason="it ended", lines=("one", "two"))
    assert news(wrote, {}) == ["shop/coupons fell back by itself; its v2 copy wrote: two"]
    assert news(events.FellBack(service="shop/prices", reason="36% slower"), {}) == [
        "shop/prices fell back by itself: 36% slower"
    ]
    assert news(events.Changed(service="shop/api", state=State.WARM), {}) == []


def test_containers_are_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--engine", "containers", "--keep"])
    assert ended.value.code == 2
    assert "rollout demo --engine containers --slow" in capsys.readouterr().err


def test_a_demo_that_nobody_reads_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, Played(error="interrupted"), "--json") == 1
    assert "nobody read any more" in capsys.readouterr().err


def test_where_nobody_reads_any_more_the_demo_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    lost: list[bool] = []
    telling = Telling(Console(file=Gone(), width=80), viewed=False, lost=lambda: lost.append(True))
    telling.tell(TOLD[0], 0.0)
    sys.stdout.close()
    assert lost == [True]


def test_as_told_is_0_with_a_summary(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, Played(record=Record(seconds=51.0))) == 0
    assert capsys.readouterr().out.rstrip().endswith("51 s in all")


def test_json_is_exactly_one_document_and_the_story_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, Played(), "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"format_version": 1, **Record().document()}
    assert err.startswith("starting what it needs\nThe edge listens on")


def test_not_as_told_is_1_with_the_reason_in_the_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played = Played(error="only 12 requests were sent", record=Record(leftovers=["file /tmp/x"]))
    assert run(monkeypatch, played, "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "only 12 requests were sent"
    assert "still there: file /tmp/x" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_asks_the_story_to_end_however_often_it_comes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    def three_times() -> None:
        for _ in range(3):
            os.kill(os.getpid(), number)

    played = Played(meanwhile=three_times)
    assert run(monkeypatch, played, "--json") == code
    out, err = capfd.readouterr()
    assert json.loads(out)["error"] == "interrupted"
    assert err.count("interrupted: on to a safe point") == 1
    assert played.asked
