"""`rollout schedule add | list | next | remove`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from rollout.cli import main
from rollout.cli.console import ask_name, emit, say, tell
from rollout.cli.when import parse_span
from rollout.model.plain import to_plain
from rollout.model.schedule import Missed, RunState
from rollout.operations.execute import asks_for_a_typed_name
from rollout.operations.hours import local, until
from rollout.operations.schedule import Added, Asked, Due, Line
from rollout.wiring.timetable import local_zone, timetable

MOST = 1000
_BECAME = {RunState.CLAIMED: "claimed, not begun yet", RunState.BEGUN: "runs"}
app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("schedule"))
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command()
def add(
    wave: Annotated[str, typer.Argument(help="A wave like wave-3.", metavar="WAVE")],
    *,
    at: Annotated[str, typer.Option(help="Once: '2026-12-01 02:00', as clocks show it in the time zone.")] = "",
    cron: Annotated[str, typer.Option(help="Again and again: '0 2 * * SUN'. Needs --window.")] = "",
    window: Annotated[str, typer.Option(help="How long it may run: 2h, 90m. With --at 4h if it is not named.")] = "",
    timezone: Annotated[str, typer.Option(help="Like Europe/Berlin; without it the one of this machine.")] = "",
    missed: Annotated[
        Missed, typer.Option(help="A run that was missed: run it while its window is open, or wait for the next.")
    ] = Missed.RUN,
    confirm: Annotated[str, typer.Option(help="The name of an Enterprise wave, in place of typing it.")] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.")] = "",
    as_json: Json = False,
) -> None:
    """Let the scheduler begin a wave at a time, or whenever a cron expression is due.

    The wave goes forward in its windows only.
    """
    length = parse_span(window) if window else None
    asked = Asked(zone=timezone or local_zone(), at=at, cron=cron, window=length, missed=missed, reason=reason)
    with timetable() as table:
        found = table.wave(wave)
        table.check(asked)
        if asks_for_a_typed_name(found):
            ask_name(f"{wave} moves Enterprise services, and will begin by itself", wave, given=confirm)
        added = table.add(found, asked)
        kept = table.kept()
    if as_json:
        emit(
            {"schedule": to_plain(added.schedule), "new": added.new, "next": to_plain(added.next), "remarks": list(added.remarks)}
        )
        return
    _say_added(added, kept=kept)


@app.command("list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those too that were removed or ended long ago.")] = False,
    as_json: Json = False,
) -> None:
    """Every schedule: when it is due next, and what became of its last run."""
    with timetable() as table:
        lines = table.lines(everything=everything)
    if as_json:
        emit({"schedules": [to_plain(line) for line in lines]})
        return
    for line in lines:
        _print(_told(line))
    if not lines:
        say("no wave is scheduled; next: rollout schedule add wave-1 --at '…', see rollout schedule add --help")


@app.command("next")
def next_(
    wave: Annotated[str | None, typer.Argument(help="One wave, like wave-3; all without it.")] = None,
    *,
    count: Annotated[int, typer.Option("-n", help="So many.", min=1, max=MOST)] = 5,
    as_json: Json = False,
) -> None:
    """The runs to come, as clocks show them there and in UTC."""
    with timetable() as table:
        dues = table.upcoming(count, wave)
    if as_json:
        emit({"runs": [to_plain(due) for due in dues]})
        return
    _print([_due(due, dues) for due in dues])
    if not dues:
        say("no run is to come; next: rollout schedule list")


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="Numbers of schedules, or waves.", metavar="NUMBER|WAVE…")],
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.")] = "",
    as_json: Json = False,
) -> None:
    """A schedule binds its wave no more."""
    with timetable() as table:
        said = [one for name in names for one in table.remove(name, reason)]
    if as_json:
        emit({"removed": [{"schedule": to_plain(schedule), "text": text} for schedule, text in said]})
        return
    for _, text in said:
        say(text)


def _say_added(added: Added, *, kept: bool) -> None:
    schedule = added.schedule
    if not added.new:
        say(f"unchanged: schedule {schedule.id} of {schedule.wave_name} says just this")
    for remark in added.remarks:
        say(remark)
    say(f"schedule {schedule.id}: {schedule.wave_name} runs {until(added.next, schedule.times.zone)}")
    if not kept:
        say("no scheduler runs here, and without one nothing begins; next: rollout up")


def _told(line: Line) -> list[str]:
    zone = line.schedule.times.zone
    told = [f"{line.schedule.id}  {line.wave}  {line.words}"]
    if line.next:
        told.append(f"   next {until(line.next, zone)}")
    if line.over:
        told.append(f"   {line.over}")
    if line.last:
        became = _BECAME.get(line.last.state, str(line.last.state)) + (f": {line.last.note}" if line.last.note else "")
        told.append(f"   last {local(line.last.window.start, zone)} {became}")
    return told


def _due(due: Due, dues: Sequence[Due]) -> str:
    width = max(len(one.wave) for one in dues)
    return f"{due.wave:<{width}}  {until(due.window, due.zone)}  {due.zone}"


def _print(lines: Sequence[str]) -> None:
    for text in lines:
        tell(text)
