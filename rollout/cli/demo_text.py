"""What the demo tells, as lines of text: one function for each kind of event, for windows of any width."""

import textwrap
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from rollout.cli.console import folded
from rollout.cli.live_columns import NARROW
from rollout.demo import events
from rollout.demo.document import Record
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison


class Line(NamedTuple):
    """One line. `copied`: people copy it, so that it is never folded. `hang`: how far what is folded stands to the right."""

    text: str = ""
    style: str = ""
    copied: bool = False
    hang: int = 0


Lines = list[Line]
TIMED = (events.Deployed, events.Changed, events.Repaired)
BODY = "  {:15} {:>10} {:>8} {:>10} {:>8}  {}"
SLIM = "{:13} {:>9} {:>9} {}"
TABLE = 70
"""In fewer columns the table has a slimmer body."""


def lines(event: events.Event, seconds: float, width: int) -> Lines:
    """One event, for a window of that width; what services do, with the time since the demo began."""
    drawn = DRAWN[type(event)](event, width)
    stamp = f"{seconds:5.1f} s" if isinstance(event, TIMED) else ""
    return [line._replace(text=stamp + line.text, hang=line.hang and line.hang + len(stamp)) for line in drawn]


def write(target: Console, drawn: Iterable[Line]) -> None:
    """The lines, markup not interpreted; folded where a person looks."""
    for line in drawn:
        whole = line.copied or not target.is_terminal
        text = line.text if whole else _folded(line, target.width)
        target.print(Text(text, style=line.style), soft_wrap=True)


def _folded(line: Line, width: int) -> str:
    if not line.hang or width < NARROW:
        return folded(line.text, width)
    return textwrap.fill(line.text, width, subsequent_indent=" " * line.hang, break_on_hyphens=False)


def summary(record: Record) -> Lines:
    """The end of the story in numbers."""
    requests = record.requests
    parts = (
        f"{requests.failed_planted} by a planted fault, {requests.failed_in_declared_downtime} in declared downtime, "
        f"{requests.failed_outside_declared_downtime} else"
    )
    moved, fell = sum(wave.moved for wave in record.waves), len(record.fallbacks)
    told = [
        f"{_counted(len(record.waves), 'wave')}: {moved} moved, {fell} fell back by {'itself' if fell == 1 else 'themselves'}; "
        "now on " + ", ".join(f"{runtime}: {count}" for runtime, count in sorted(record.services.items())),
        f"{requests.sent} requests: {requests.failed} failed ({parts}), {requests.retried} retried",
        f"longest time without a good answer of one service: {record.longest_gap_ms:.0f} ms",
    ]
    told = [*(told if requests.sent else told[:1]), f"{record.seconds:.0f} s in all"]
    return [Line(), *(Line(text) for text in told)]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _doing(event: events.Doing, _width: int) -> Lines:
    return [Line(event.text, "bold")]


def _asked(_event: events.Asked, _width: int) -> Lines:
    return [Line("interrupted: on to a safe point, then everything is taken down", "bold yellow")]


def _opened(event: events.Opened, _width: int) -> Lines:
    if not event.edge:
        return [Line("A demo in memory: no processes, no traffic, time that leaps.", "bold")]
    address = f"http://{event.edge}/"
    return [
        Line(f"The edge listens on {address} (the name of a service as Host):", "bold"),
        Line(f"  curl -H 'Host: {event.example}' {address}", copied=True),
    ]


def _deployed(event: events.Deployed, width: int) -> Lines:
    special = f"planted: {event.fault}" if event.fault else event.note
    if width < NARROW:
        return [Line(f" {event.service:13} {event.tier:10} {special}".rstrip())]
    start = f"  {event.service:13} {event.tier:10} {event.kind:6}  "
    return [Line(f"{start}{special}".rstrip(), hang=len(start))]


def _said(event: events.Said, _width: int) -> Lines:
    return [Line(text, "yellow") for text in event.text.splitlines()]


def _planned(event: events.Planned, _width: int) -> Lines:
    starts = [f"  {name}  {tier:11} " for name, tier, _ in event.waves]
    waves = [
        Line(start + ", ".join(services), hang=len(start)) for start, (_, _, services) in zip(starts, event.waves, strict=True)
    ]
    return [Line(), *waves, Line(event.summary, "bold")]


def _began(event: events.Began, _width: int) -> Lines:
    return [Line(), Line(f"{event.wave} ({event.tier}) begins", "bold")]


def _changed(event: events.Changed, _width: int) -> Lines:
    return [Line(f"  {event.service:15} {event.state.replace('_', ' '):13} {event.note}".rstrip(), "dim")]


def _fell_back(event: events.FellBack, _width: int) -> Lines:
    why = Line(f"  {event.service} fell back to legacy by itself: {event.reason}", "bold red")
    return [why, *(Line(f"    its v2 copy wrote: {line}", "red") for line in event.lines)]


def _ended(event: events.Ended, _width: int) -> Lines:
    fell = f", {event.fell_back} fell back" if event.fell_back else ""
    text = f"{event.wave} ({event.tier}): {event.moved} moved{fell}, {event.seconds:.1f} s"
    return [Line(text, "bold green" if not fell else "bold yellow")]


def _repaired(event: events.Repaired, _width: int) -> Lines:
    return [Line(f"  {event.service} repaired: release {event.release} without the fault, to be tried again")]


def _finished(event: events.Finished, _width: int) -> Lines:
    return [Line(), Line(f"{event.services} services on v2, no legacy copy runs any more", "bold")]


def _compared(event: events.Compared, width: int) -> Lines:
    row, title = _row, BODY.format("service", "legacy p50", "v2 p50", "legacy p99", "v2 p99", "verdict")
    if width < TABLE:
        row, title = _slim, SLIM.format("legacy→v2:", "p50", "p99", "gate")
    styles = {Outcome.FAIL: "red"}
    rows = [Line(row(one), styles.get(one.verdict, "") if one.verdict else "") for one in event.lines]
    slow = [Line(f"{one.service}: as it was before its repair", "red") for one in event.lines if one.verdict is Outcome.FAIL]
    head = "Before and after, in ms at the edge, and what the performance gate said of it:"
    return [Line(), Line(head, "bold"), Line(title, "dim"), *rows, *slow]


def _row(one: Comparison) -> str:
    numbers = (one.legacy_p50_ms, one.v2_p50_ms, one.legacy_p99_ms, one.v2_p99_ms)
    shown = ["-" if number is None else f"{number:.1f}" for number in numbers]
    return BODY.format(one.service, *shown, one.verdict or "not asked")


def _slim(one: Comparison) -> str:
    sides = ((one.legacy_p50_ms, one.v2_p50_ms), (one.legacy_p99_ms, one.v2_p99_ms))
    shown = [f"{_number(legacy)}→{_number(v2)}" if legacy or v2 else "-" for legacy, v2 in sides]
    return SLIM.format(one.service, *shown, one.verdict or "-")


def _number(milliseconds: float | None) -> str:
    """At most four characters below ten seconds."""
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.1f}" if milliseconds < 99.95 else f"{milliseconds:.0f}"


def _finalized(_event: events.Finalized, _width: int) -> Lines:
    return [Line("finalized: the setting is written off", "bold green")]


def _kept(event: events.Kept, _width: int) -> Lines:
    tries = ("status", f"explain {event.service} --numbers", f"revert {event.service}", "finalize --check")
    return [
        Line(),
        Line("Everything runs on, without load. To play with it:", "bold"),
        Line(f"  export ROLLOUT_HOME={event.home}/.rollout", copied=True),
        *(Line(f"  rollout {command}", copied=True) for command in tries),
        Line("To end it:", "bold"),
        Line(f"  rollout down --yes && rm -r {event.home}", copied=True),
    ]


def _closing(_event: events.Closing, _width: int) -> Lines:
    return [Line("taking everything down")]


def _closed(event: events.Closed, _width: int) -> Lines:
    left = [Line(f"  still there: {line}", "bold red") for line in event.leftovers]
    return left or [Line("everything that the demo started is gone")]


DRAWN: dict[type[events.Event], Callable[..., Lines]] = {
    events.Doing: _doing,
    events.Asked: _asked,
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
    events.Closing: _closing,
    events.Closed: _closed,
}
