"""`rollout demo`: draws the story, or prints its one document."""

import os
import signal
import time
from contextlib import suppress
from enum import StrEnum
from types import FrameType
from typing import Annotated

import typer

from rollout.cli import console
from rollout.cli.demo_text import summary
from rollout.cli.demo_view import Telling
from rollout.cli.screen import is_live
from rollout.demo.show import story
from rollout.demo.story import INTERRUPTED, Story
from rollout.errors import BrokenError, Exit, RolloutError, StoppedByPersonError, UsageError
from rollout.model.fleet import EngineName

app = typer.Typer(add_completion=False)


class Engine(StrEnum):
    """What runs the sample services."""

    PROCESS = EngineName.PROCESS.value
    CONTAINERS = EngineName.CONTAINERS.value
    DOCKER = EngineName.DOCKER.value
    PODMAN = EngineName.PODMAN.value


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command()
def demo(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document; the story goes to stderr.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, to play with.")] = False,
    seed: Annotated[int | None, typer.Option(help="Send the same load again: the number that it printed.", metavar="N")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Take time, to watch.")] = False,
    engine: Annotated[
        Engine, typer.Option(help="In containers: legacy on Docker, v2 on Podman, or both on one.")
    ] = Engine.PROCESS,
) -> None:
    """Move 24 real services from legacy to v2 on this machine, under load, three of them broken; then take it all down.

    Needs nothing and leaves nothing: it works in a folder of its own. Ends with 0 only if everything happened as told.

    Example: rollout demo --slow
    """
    if keep and engine is not Engine.PROCESS:
        what = "--keep is for plain processes: containers and images that stay would be nobody's to remove"
        raise UsageError(what, then=f"rollout demo --engine {engine} --slow")
    signals = Signals()
    seed = int.from_bytes(os.urandom(2)) if seed is None else seed
    played = story(seed=seed, keep=keep, slow=slow, engine=EngineName(engine))
    signals.reach(played)
    telling = Telling(console.err() if json else console.out(), viewed=is_live() and not json, lost=played.interrupt)
    began = time.monotonic()
    for event in played.events():
        telling.tell(event, time.monotonic() - began)
    telling.end()
    if json:
        console.emit(played.record.document(played.error))
    else:
        telling.write(summary(played.record))
    with suppress(OSError):
        console.say(f"the same load again: rollout demo --seed {seed}")
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
        if self._played is not None:
            self._played.interrupt()


def _failure(played: Story, signals: Signals) -> RolloutError:
    """What went wrong, in three parts, with its exit code."""
    left = played.record.leftovers
    state = f"still there: {'; '.join(left)}" if left else "everything that it started is gone"
    if signals.first is None and played.error == INTERRUPTED:
        return BrokenError("ended early: nobody read any more what it told", state=state, then="rollout demo")
    if signals.first is None or played.error != INTERRUPTED:
        return BrokenError(f"not as told: {played.error}", state=state, then="rollout demo")
    error = StoppedByPersonError("interrupted", state=state, then="rollout demo")
    error.exit_code = Exit.INTERRUPTED if signals.first == signal.SIGINT else Exit.TERMINATED
    return error
