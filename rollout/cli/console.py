"""What every command shares with the terminal: data to stdout, the rest to stderr, errors in three parts, questions."""

import contextlib
import json
import os
import re
import select
import signal
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from rollout.cli import mistyped
from rollout.errors import BrokenError, Exit, RolloutError, StoppedByPersonError, UsageError

FORMAT_VERSION = 1
TRACE = "ROLLOUT_TRACE"
"""Where this variable is set, an unforeseen error shows its trace."""


SLIMMEST = 40
HANG = 2
_CALL = re.compile(r"\brollout [a-z-]+(?: (?:'[^']*'|[^\s,;·'()]+))*")
_HELD = "\0"
LONGEST = 4096
ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}
UNFINISHED = "what had been told is done and saved; services keep serving"
USUAL = {Exit.USAGE: "correct that and run the same command again"}
"""What to do next where an error does not say it."""


def out() -> Console:
    """The console for data: plain when it is not a terminal, and as wide as the data then."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "0")) or 10_000
    return Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """The console for everything else."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line to stderr, markup not interpreted; in a terminal folded at its width."""
    _print(err(), text)


def tell(text: str) -> None:
    """One line to stdout, markup not interpreted; in a terminal folded at its width."""
    _print(out(), text)


def _print(console: Console, text: str) -> None:
    lines = [folded(line, console.width) for line in text.split("\n")] if console.is_terminal else [text]
    console.print(Text("\n".join(lines)), soft_wrap=True)


def tell_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """To stdout, each value beside its label; in a terminal a long one is folded below itself."""
    console, label = out(), max((cell_len(label) for label, _ in pairs), default=0) + 2
    for name, value in pairs:
        line = f"{name}{' ' * (label - cell_len(name))}{value}"
        if console.is_terminal:
            rest = folded(value, console.width - label, hang=0, least=SLIMMEST // 2).split("\n")
            line = line[: len(line) - len(value)] + f"\n{' ' * label}".join(rest)
        console.print(Text(line), soft_wrap=True)


def lay(console: Console, line: Text) -> None:
    """The line; in a terminal folded at its width, what goes on indented below it, colours kept."""
    if not console.is_terminal or cell_len(line.plain) <= console.width:
        console.print(line, soft_wrap=True)
        return
    indent = " " * (len(line.plain) - len(line.plain.lstrip()) + HANG)
    text = line if line.spans else Text(folded(line.plain, console.width), style=line.style)
    first, *rest = text.wrap(console, max(console.width, SLIMMEST) - HANG - len(indent)) if line.spans else (text,)
    console.print(Text("\n").join([first, *(Text(indent) + part for part in rest)]), soft_wrap=True)


def folded(text: str, width: int, *, hang: int = HANG, least: int = SLIMMEST) -> str:
    """The line folded at spaces, what goes on indented by `hang`; a call of rollout, which people copy, stays in one piece."""
    indent = " " * (len(text) - len(text.lstrip()))
    held = _CALL.sub(lambda call: call[0].replace(" ", _HELD), text.lstrip())
    lines = textwrap.wrap(
        held,
        max(width, least),
        initial_indent=indent,
        subsequent_indent=indent + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(_HELD, " ")


def emit(data: dict[str, Any]) -> None:
    """One JSON document to stdout, with its format version."""
    sys.stdout.write(json.dumps({"format_version": FORMAT_VERSION, **data}, indent=2, ensure_ascii=False, default=str))
    sys.stdout.write("\n")


def emit_list(name: str, documents: Iterable[str]) -> None:
    """One JSON document to stdout whose member `name` is a list that may be long: one line for each of its JSON texts."""
    write, between = sys.stdout.write, "\n"
    write(f'{{"format_version": {FORMAT_VERSION}, "{name}": [')
    for document in documents:
        write(f"{between}{document}")
        between = ",\n"
    write("\n]}\n")


def ask(question: str, *, yes: bool) -> None:
    """Return when the person agrees. Without a terminal and without `--yes` this is a UsageError: it never hangs.

    Ctrl-C at the question is a StoppedByPersonError, whatever else hears signals meanwhile.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to answer this: {question}", then="add --yes")
    answer = "?"
    while answer not in ANSWERS:
        answer = _typed(f"{question} [y/N]: ").lower()
    if not ANSWERS[answer]:
        raise UsageError("not confirmed")


def ask_name(question: str, name: str, *, given: str = "") -> None:
    """Return when the person has typed `name`, or gave it as `--confirm`. UsageError otherwise; it never hangs."""
    if given == name:
        return
    if given:
        raise UsageError(f"--confirm {given} does not name {name}", then=f"add --confirm {name}")
    if not sys.stdin.isatty():
        raise UsageError(f"{question}: that wants its name typed, and there is no terminal", then=f"add --confirm {name}")
    if _typed(f"{question}. Type its name to go on: ") != name:
        raise UsageError("not confirmed")


def _typed(question: str) -> str:
    """The line that the person types; UsageError where the terminal is at its end.

    It waits for the terminal and for signals in one place, so that none comes unheard just before it waits.
    """
    with _asking() as heard:
        err().print(Text(question), end="")
        select.select([sys.stdin, heard], [], [])
        line = os.read(sys.stdin.fileno(), LONGEST)
    if not line:
        raise UsageError("not confirmed", then="run the same command again, or add --yes")
    return line.decode(errors="replace").strip()


@contextlib.contextmanager
def _asking() -> Iterator[int]:
    """A signal ends the command at once: nothing is under way while a question is open. The file that tells of a signal."""

    def hear(number: int, _frame: FrameType | None) -> None:
        err().print()
        stopped = StoppedByPersonError("interrupted at the question", then="run the same command again")
        stopped.exit_code = Exit.TERMINATED if number == signal.SIGTERM else Exit.INTERRUPTED
        raise stopped

    heard, told = os.pipe()
    os.set_blocking(told, False)
    wakes = signal.set_wakeup_fd(told)
    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakes)
        os.close(heard)
        os.close(told)


def show_error(error: RolloutError) -> None:
    """What happened, what state things are in, what to do next."""
    console = err()
    console.print(Text("error: ", style="bold red") + Text(error.what))
    console.print(Text("state: ", style="bold") + Text(error.state or "nothing was changed"))
    console.print(Text("next:  ", style="bold") + Text(error.then or USUAL.get(error.exit_code, "rollout status")))


def report(run: Callable[[], object]) -> int:
    """Run a command; its exit code. Whatever goes wrong is shown as one error in three parts, and never as a trace."""
    try:
        code = run()
        sys.stdout.flush()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(Exit.BROKEN if ending.code else Exit.DONE)
    except BrokenPipeError:
        nobody_reads()
        return int(Exit.BROKEN)
    except Exception as error:
        if TRACE in os.environ:
            raise
        return failed(error)
    return code if isinstance(code, int) else int(Exit.DONE)


def failed(error: Exception) -> int:
    """The error is shown; the exit code that it ends its command with."""
    if isinstance(error, TyperException) and not error.format_message().strip():
        return int(Exit.USAGE)  # a group without a command: its help has been shown
    shown = _known(error)
    if isinstance(error, OSError):
        nobody_reads()  # what is left in the stream would fail once more when the process ends
    with contextlib.suppress(OSError):
        show_error(shown)
    return int(shown.exit_code)


def nobody_reads() -> None:
    """What is still written to stdout goes nowhere: nobody can read it any more."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (kept until the process ends)


def _known(error: Exception) -> RolloutError:
    """The error in three parts."""
    if isinstance(error, RolloutError):
        return error
    if isinstance(error, TyperException):
        return _usage(error)
    if isinstance(error, typer.Abort) and isinstance(error.__cause__, KeyboardInterrupt):
        return StoppedByPersonError("interrupted", state=UNFINISHED, then="run the same command again")
    if isinstance(error, typer.Abort):
        return UsageError("not confirmed", then="run the same command again, or add --yes")
    if isinstance(error, FileNotFoundError) and _nowhere():
        return BrokenError("the folder that this was called in is gone", then="cd to another one and run the same command again")
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: {error.strerror}" if error.filename else f"cannot write what it found: {error.strerror}"
        then = "free some space or look at the permissions, and run the same command again"
    else:
        what = f"unexpected {type(error).__name__}: {error}"
        then = f"run the same command again; if it comes back, please report it{_kept(error)}"
    return BrokenError(what, state=UNFINISHED, then=then)


def _nowhere() -> bool:
    """The working directory is gone."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _kept(error: Exception) -> str:
    """` with FILE`: the trace is in it, for this user alone to read."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="rollout-error-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return f" with what {TRACE}=1 before it shows"
    return f" with {path}"


def _usage(error: TyperException) -> UsageError:
    """What typer says of a command line that it does not understand."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "rollout"
    return UsageError(mistyped.told(error), then=f"{path} --help")
