"""What every command shares with the terminal: data to stdout, the rest to stderr, errors in three parts, questions."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from rollout.errors import Exit, RolloutError, UsageError

FORMAT_VERSION = 1


def out() -> Console:
    """The console for data: plain when it is not a terminal, and as wide as the data then."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "0")) or 10_000
    return Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """The console for everything else."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line to stderr, markup not interpreted."""
    err().print(Text(text))


def emit(data: dict[str, Any]) -> None:
    """One JSON document to stdout, with its format version."""
    sys.stdout.write(json.dumps({"format_version": FORMAT_VERSION, **data}, indent=2, ensure_ascii=False, default=str))
    sys.stdout.write("\n")


def ask(question: str, *, yes: bool) -> None:
    """Return when the person agrees. Without a terminal and without `--yes` this is a UsageError: it never hangs."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} needs an answer and there is no terminal", then="add --yes")
    if not typer.confirm(question, err=True):
        raise UsageError("not confirmed")


def ask_name(question: str, name: str, *, given: str = "") -> None:
    """Return when the person has typed `name`, or gave it as `--confirm`. UsageError otherwise; it never hangs."""
    if given == name:
        return
    if given:
        raise UsageError(f"--confirm {given} does not name {name}", then=f"add --confirm {name}")
    if not sys.stdin.isatty():
        raise UsageError(f"{question}: that wants its name typed, and there is no terminal", then=f"add --confirm {name}")
    if typer.prompt(f"{question}. Type its name to go on", err=True) != name:
        raise UsageError("not confirmed")


def show_error(error: RolloutError) -> None:
    """What happened, what state things are in, what to do next."""
    console = err()
    console.print(Text("error: ", style="bold red") + Text(error.what))
    if error.state:
        console.print(Text("state: ", style="bold") + Text(error.state))
    if error.then:
        console.print(Text("next:  ", style="bold") + Text(error.then))


def report(run: Callable[[], object]) -> int:
    """Run a command; its exit code. Every RolloutError is shown in three parts."""
    try:
        run()
    except RolloutError as error:
        show_error(error)
        return int(error.exit_code)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(Exit.BROKEN if ending.code else Exit.DONE)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (kept until the process ends)
        return int(Exit.BROKEN)
    return int(Exit.DONE)
