"""`status --watch`: a live view in a terminal; in a pipe one line, or one event of JSON Lines, per transition."""

import json
import os
import select
import sys
import time
from typing import Any

from rich.console import Console

from rollout.cli import board
from rollout.cli.console import FORMAT_VERSION
from rollout.cli.live_view import who
from rollout.cli.screen import ended_by_signals, is_live, picture, screen
from rollout.cli.when import clock
from rollout.model.plain import to_plain
from rollout.operations.status import Status
from rollout.store.history import Happening
from rollout.store.watched import SAID
from rollout.wiring.status import Board

EVERY_S = 0.5


def watch(reading: Board, wave: str | None, *, as_json: bool) -> None:
    """Goes on until it is interrupted, or until nobody reads any more."""
    with ended_by_signals():
        if as_json:
            _events(reading, wave)
        elif is_live():
            _view(reading, wave)
        else:
            _lines(reading, wave)


def _view(reading: Board, wave: str | None) -> None:
    """The last picture stays when the view is gone."""
    reading.status(wave)  # what cannot be read is an error before the terminal is taken
    try:
        with screen(lambda: reading.status(wave)):
            while True:
                time.sleep(3600)
    finally:
        console = Console(highlight=False)
        console.print(picture(console, reading.status(wave)))


def _lines(reading: Board, wave: str | None) -> None:
    """Where everything stands, then a line for everything that happens."""
    news = reading.news(wave)
    _write("\n".join(line.plain for line in board.lines(reading.status(wave))))
    while _is_read():
        for happening in news.more():
            _write(_line(happening))
        time.sleep(EVERY_S)


def _events(reading: Board, wave: str | None) -> None:
    """Where everything stands, and what happened, whenever that changes."""
    news, told = reading.news(wave), ""
    while _is_read():
        for happening in news.more():
            _event("happening", {"happening": to_plain(happening)})
        status = reading.status(wave)
        if (steady := _steady(status)) != told:
            told = steady
            _event("status", {"status": to_plain(status)})
        time.sleep(EVERY_S)


def _line(happening: Happening) -> str:
    after = happening.facts.get("after")
    host = str(after.get("host", "")) if isinstance(after, dict) else ""
    why = f": {happening.why}" if happening.why else ""
    subject = "everything" if happening.subject == "*" else happening.subject
    return f"{clock(happening.at)} {subject}  {SAID.get(happening.what, happening.what)} by {who(happening.who, host)}{why}"


def _event(kind: str, data: dict[str, Any]) -> None:
    _write(json.dumps({"format_version": FORMAT_VERSION, "event": kind, **data}, ensure_ascii=False, default=str))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _is_read() -> bool:
    """Somebody still holds the other end of the pipe that stdout is; true for files."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return True
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)) or os.isatty(sys.stdout.fileno())


def _steady(status: Status) -> str:
    """What tells a change: everything but the passing of time."""
    plain = to_plain(status)
    for driver in plain["drivers"]:
        driver.pop("heartbeat")
    plain.pop("at")
    plain.pop("acts")
    for item in (*plain["items"], *plain["failures"]):
        item.pop("due")
        item.pop("eta")
    for wave in plain["waves"]:
        wave.pop("eta")
    return json.dumps(plain, sort_keys=True)
