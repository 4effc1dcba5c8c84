"""The verbs: what a person says about a running rollout. Each in every state, each idempotent, none ever asks."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from rollout.cli.console import emit, say, tell
from rollout.cli.progress import working
from rollout.cli.signals import stopping
from rollout.cli.ticker import Ticker
from rollout.errors import Exit, UsageError
from rollout.model.plain import to_plain
from rollout.operations import verbs
from rollout.operations.means import Means
from rollout.operations.subject import is_wave
from rollout.operations.verbs import Said, worst
from rollout.wiring.execute import Names
from rollout.wiring.home import find
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit and for everybody who looks.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Wave = Annotated[str | None, typer.Argument(help="A wave like wave-3; everything without it.")]
Service = Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME.")]

pause, resume, approve, abort, fail, revert, retry = (typer.Typer(add_completion=False) for _ in range(7))


@pause.command(name="pause")
def _pause(wave: Wave = None, *, reason: Reason = "", as_json: Json = False) -> None:
    """No step forward, weights held, gates watch on. Never stops a way back."""
    run(lambda m, _: [verbs.pause(m, wave, reason)], as_json=as_json)


@resume.command(name="resume")
def _resume(wave: Wave = None, *, reason: Reason = "", as_json: Json = False) -> None:
    """The pause is over. A wave stopped by its failure budget may go on: failures until now no longer count."""
    run(lambda m, _: [verbs.resume(m, wave, reason)], as_json=as_json)


@approve.command(name="approve")
def _approve(
    subject: Annotated[str, typer.Argument(help="A wave like wave-3, or a service.", metavar="WAVE|SERVICE")],
    *,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """A wave may begin, or a held service may go on: your word stands for what is missing."""
    if not reason:
        raise UsageError("an approval needs a reason", then=f"rollout approve {subject} --reason '…'")
    if is_wave(subject):
        run(lambda m, _: [verbs.approve_wave(m, subject, reason)], as_json=as_json)
    else:
        run(lambda m, n: [verbs.approve_service(m, n.service(subject), reason)], as_json=as_json)


@abort.command(name="abort")
def _abort(
    wave: Annotated[str, typer.Argument(help="A wave like wave-3.")], *, reason: Reason = "", as_json: Json = False
) -> None:
    """The wave's moves back, not blocked. What is warm stays moved; what has not begun is skipped."""
    run(lambda m, _: [verbs.abort(m, wave, reason)], as_json=as_json)


@fail.command(name="fail")
def _fail(service: Service, *, reason: Reason = "", as_json: Json = False) -> None:
    """Back and blocked, and it counts in the failure budget of its wave."""
    run(lambda m, n: [verbs.fail(m, n.service(service), reason)], as_json=as_json)


@revert.command(name="revert")
def _revert(
    subjects: Annotated[list[str], typer.Argument(help="Services, or one wave.", metavar="SERVICE…|WAVE")],
    *,
    reason: Reason = "",
    without_store: Annotated[
        bool, typer.Option("--without-store", help="Through the host part alone: for when the store cannot be written.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Back to legacy, and blocked; also after a move has finished: legacy is launched again first."""
    if without_store:
        _without_store(subjects, as_json=as_json)
    else:
        with working(f"bringing back {subjects[0]}" + (f" and {len(subjects) - 1} more" if subjects[1:] else "")):
            run(lambda m, n: _reverted(m, n, subjects, reason), as_json=as_json)


@retry.command(name="retry")
def _retry(service: Service, *, reason: Reason = "", as_json: Json = False) -> None:
    """A service that fell back or was reverted may be planned again."""
    run(lambda m, n: [verbs.retry(m, n.service(service), reason)], as_json=as_json)


def _reverted(tools: Means, names: Names, subjects: Sequence[str], reason: str) -> list[Said]:
    if len(subjects) == 1 and is_wave(subjects[0]):
        return verbs.revert_wave(tools, subjects[0], reason)
    if any(is_wave(subject) for subject in subjects):
        raise UsageError("revert takes services, or one wave", then="name the wave alone")
    return verbs.revert(tools, list(dict.fromkeys(names.service(subject) for subject in subjects)), reason)


def run(act: Callable[[Means, Names], Sequence[Said]], *, as_json: bool) -> None:
    """Do what a verb asks, tell what became of it, and end with the gravest exit code."""
    ticker = Ticker(as_json=False, quiet=as_json)
    with stopping() as stop:
        voice = Voice(tell=ticker.tell, say=ticker.say, stop=stop.asked)
        with means(voice=voice) as tools:
            ticker.follow(list(tools.progress.begun()))
            said = act(tools, Names(tools))
    _show(said, as_json=as_json)
    if stop.asked():
        ticker.say("interrupted: what was asked stands; rollout status tells who obeys it, the same command goes on")
    raise typer.Exit(stop.exit_code(Exit.INTERRUPTED if stop.asked() else worst(said)))


def _without_store(subjects: Sequence[str], *, as_json: bool) -> None:
    from rollout.wiring.led_back import revert_without_store  # noqa: PLC0415 (it takes all that a host part takes)

    said = []
    for subject in subjects:
        note = revert_without_store(find(), subject, say)
        text = f"{note.service}: all traffic goes to legacy, nothing was stopped; the store hears of it when it can be written"
        said.append(Said(subject=note.service, text=text))
    _show(said, as_json=as_json)


def _show(said: Sequence[Said], *, as_json: bool) -> None:
    if as_json:
        emit({"results": [to_plain(one) for one in said]})
        return
    for one in said:
        tell(one.text)
    sys.stdout.flush()
