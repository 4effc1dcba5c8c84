"""`rollout demo`: draws the story, or prints its one document."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from rollout.cli import console
from rollout.demo import events
from rollout.demo.document import Record
from rollout.demo.show import story
from rollout.demo.story import INTERRUPTED, Story
from rollout.errors import BrokenError, Exit, RolloutError, StoppedByPersonError
from rollout.model.verdict import Outcome

app = typer.Typer(add_completion=False)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command()
def demo(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document; the story goes to stderr.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, to play with.")] = False,
    seed: Annotated[int | None, typer.Option(help="Send the same load again: the number that it printed.", metavar="N")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Take time, to watch.")] = False,
) -> None:
    """Move 24 real services from legacy to v2 on this machine, under load, three of them broken; then take it all down.

    Needs nothing and leaves nothing: it works in a folder of its own. Ends with 0 only if everything happened as told.

    Example: rollout demo --slow
    """
    signals = Signals()
    seed = int.from_bytes(os.urandom(2)) if seed is None else seed
    played = story(seed=seed, keep=keep, slow=slow)
    signals.reach(played)
    target = console.err() if json else console.out()
    began = time.monotonic()
    for event in played.events():
        draw(target, event, time.monotonic() - began)
    if json:
        console.emit(played.record.document(played.error))
    else:
        _summary(target, played.record)
    console.err().print(Text(f"the same load again: rollout demo --seed {seed}", style="dim"))
    if played.error:
        raise _failure(played, signals)


class Signals:
    """A signal asks the story to end; it takes everything down first, however often it is asked."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._played: Story | None = None
        for number in SIGNALS:
            signal.signal(number, self._hear)

    def reach(self, played: Story) -> None:
        """This story is meant, also by a signal that has come already."""
        self._played = played
        if self.first is not None:
            played.interrupt()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.first is None:
            self.first = number
            os.write(sys.stderr.fileno(), b"taking everything down ...\n")  # a stream may just be in use by what was interrupted
        if self._played is not None:
            self._played.interrupt()


def _failure(played: Story, signals: Signals) -> RolloutError:
    """What went wrong, in three parts, with its exit code."""
    left = played.record.leftovers
    state = f"still there: {'; '.join(left)}" if left else "everything that it started is gone"
    if signals.first is None or played.error != INTERRUPTED:
        return BrokenError(f"not as told: {played.error}", state=state, then="rollout demo")
    error = StoppedByPersonError("interrupted", state=state, then="rollout demo")
    error.exit_code = Exit.INTERRUPTED if signals.first == signal.SIGINT else Exit.TERMINATED
    return error


def draw(target: Console, event: events.Event, seconds: float) -> None:
    """One event as lines of text; what services do, with the time since the demo began."""
    for text, style in DRAWN[type(event)](event):
        stamp = f"{seconds:5.1f} s" if isinstance(event, TIMED) else ""
        target.print(Text(stamp + text, style=style))


Lines = list[tuple[str, str]]
BODY = "  {:15} {:>10} {:>8} {:>10} {:>8}  {}"
TIMED = (events.Deployed, events.Changed, events.Repaired)


def _opened(event: events.Opened) -> Lines:
    if not event.edge:
        return [("A demo in memory: no processes, no traffic, time that leaps.", "bold")]
    address = f"http://{event.edge}/"
    return [
        (f"The edge listens on {address} (the name of a service as Host):", "bold"),
        (f"  curl -H 'Host: {event.example}' {address}", ""),
    ]


def _deployed(event: events.Deployed) -> Lines:
    special = f"  planted: {event.fault}" if event.fault else f"  {event.note}"
    return [(f"  {event.service:13} {event.tier:10} {event.kind:6} on legacy{special}".rstrip(), "")]


def _said(event: events.Said) -> Lines:
    return [(line, "yellow") for line in event.text.splitlines()]


def _compared(event: events.Compared) -> Lines:
    head = [("", ""), ("Before and after, in ms at the edge, and what the performance gate said of it:", "bold")]
    rows = [BODY.format("service", "legacy p50", "v2 p50", "legacy p99", "v2 p99", "verdict")]
    for one in event.lines:
        numbers = (one.legacy_p50_ms, one.v2_p50_ms, one.legacy_p99_ms, one.v2_p99_ms)
        shown = ["-" if number is None else f"{number:.1f}" for number in numbers]
        rows.append(BODY.format(one.service, *shown, one.verdict or "not asked"))
    slow = [f"{one.service}: as it was before its repair" for one in event.lines if one.verdict is Outcome.FAIL]
    return head + [(row, "") for row in (*rows, *slow)]


def _kept(event: events.Kept) -> Lines:
    tries = ("status", f"explain {event.service} --numbers", f"revert {event.service}", "finalize --check")
    return [
        ("", ""),
        ("Everything runs on, without load. To play with it:", "bold"),
        (f"  export ROLLOUT_HOME={event.home}/.rollout", ""),
        *((f"  rollout {command}", "") for command in tries),
        (f"To end it: rollout down --yes && rm -r {event.home}", "bold"),
    ]


def _planned(event: events.Planned) -> Lines:
    waves = [(f"  {name}  {tier:11} {', '.join(services)}", "") for name, tier, services in event.waves]
    return [("", ""), *waves, (event.summary, "bold")]


def _began(event: events.Began) -> Lines:
    return [("", ""), (f"{event.wave} ({event.tier}) begins", "bold")]


def _changed(event: events.Changed) -> Lines:
    return [(f"  {event.service:15} {event.state.replace('_', ' '):13} {event.note}".rstrip(), "dim")]


def _fell_back(event: events.FellBack) -> Lines:
    why = [(f"  {event.service} fell back to legacy by itself: {event.reason}", "bold red")]
    return why + [(f"    its v2 copy wrote: {line}", "red") for line in event.lines]


def _ended(event: events.Ended) -> Lines:
    fell = f", {event.fell_back} fell back" if event.fell_back else ""
    return [
        (
            f"{event.wave} ({event.tier}): {event.moved} moved{fell}, {event.seconds:.1f} s",
            "bold green" if not fell else "bold yellow",
        )
    ]


def _repaired(event: events.Repaired) -> Lines:
    return [(f"  {event.service} repaired: release {event.release} without the fault, to be tried again", "")]


def _finished(event: events.Finished) -> Lines:
    return [("", ""), (f"{event.services} services on v2, no legacy copy runs any more", "bold")]


def _finalized(_event: events.Finalized) -> Lines:
    return [("finalized: the setting is written off", "bold green")]


def _closed(event: events.Closed) -> Lines:
    left = [(f"  still there: {line}", "bold red") for line in event.leftovers]
    return left or [("everything that the demo started is gone", "")]


DRAWN: dict[type[events.Event], Callable[..., Lines]] = {
    events.Opened: _opened,
    events.Deployed: _deployed,
    events.Said: _said,
    events.Planned: _planned,
    events.Began: _began,
    events.Changed: _changed,
    events.FellBack: _fell_back,
    events.Ended: _ended,
    events.Repaired: _repaired,
    events.Finished: _finished,
    events.Finalized: _finalized,
    events.Compared: _compared,
    events.Kept: _kept,
    events.Closed: _closed,
}


def _summary(target: Console, record: Record) -> None:
    """The end of the story in numbers."""
    requests = record.requests
    parts = (
        f"{requests.failed_planted} by a planted fault, {requests.failed_in_declared_downtime} in declared downtime, "
        f"{requests.failed_outside_declared_downtime} else"
    )
    moved = sum(wave.moved for wave in record.waves)
    lines = [
        f"{len(record.waves)} waves: {moved} moved, {len(record.fallbacks)} fell back by themselves; now on "
        + ", ".join(f"{runtime}: {count}" for runtime, count in sorted(record.services.items())),
        f"{requests.sent} requests: {requests.failed} failed ({parts}), {requests.retried} retried",
        f"longest time without a good answer of one service: {record.longest_gap_ms:.0f} ms",
    ]
    target.print()
    for line in lines if requests.sent else lines[:1]:
        target.print(Text(line))
    target.print(Text(f"{record.seconds:.0f} s in all"))
