"""`rollout execute`."""

import sys
from typing import Annotated

import typer

from rollout.cli.console import ask, ask_name, tell
from rollout.cli.signals import Stop, stopping
from rollout.cli.ticker import Ticker
from rollout.cli.wave_report import intent, interrupted, stuck, summary
from rollout.errors import Exit, RolloutError, UsageError
from rollout.model.plain import to_plain
from rollout.model.state import State
from rollout.operations.execute import Order, WaveReport, asks_for_a_typed_name, check, execute, report
from rollout.operations.means import Means
from rollout.store.waves import ENDED, StoredWave
from rollout.wiring import actor
from rollout.wiring.execute import Names
from rollout.wiring.home import find
from rollout.wiring.host import keep_scheduler
from rollout.wiring.rehearse import Rehearsed, rehearse
from rollout.wiring.status import Board
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means

GOES_ON = frozenset({Exit.DONE, Exit.PARTIAL})
app = typer.Typer(add_completion=False)


@app.command(name="execute")
def execute_command(
    target: Annotated[str, typer.Argument(help="A wave like wave-3, or a plan: its waves in order.", metavar="WAVE|PLAN")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Simulate it: nothing is changed.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what stands against it.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave the wave to the scheduler.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Never answers for Enterprise.")] = False,
    confirm: Annotated[str, typer.Option(help="The name of an Enterprise wave, in place of typing it.")] = "",
    out_of_order: Annotated[bool, typer.Option("--out-of-order", help="Before earlier waves and tiers; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines: one event a line.")] = False,
) -> None:
    """Move the services of a wave to v2. The same command resumes it after any interruption.

    Of a wave that has ended it prints the result again and ends with 0.
    """
    if out_of_order and not reason:
        raise UsageError("--out-of-order needs a reason", then="add --reason '…'")
    if wait and detach:
        raise UsageError("--wait and --detach exclude each other")
    order = Order(reason=reason, out_of_order=out_of_order, wait=wait, detach=detach)
    with stopping() as stop:
        ticker = Ticker(as_json=as_json, stop=stop.asked)
        voice = Voice(tell=ticker.tell, say=ticker.say, stop=stop.asked)
        with means(voice=voice) as tools:
            run = _Run(tools, ticker, order, yes=yes, confirm=confirm)
            code = run.dry(target) if dry_run else run.all(target, stop)
    raise typer.Exit(stop.exit_code(code))


class _Run:
    def __init__(self, tools: Means, ticker: Ticker, order: Order, *, yes: bool, confirm: str) -> None:
        self._tools = tools
        self._ticker = ticker
        self._order = order
        self._yes = yes
        self._confirm = confirm
        self._names = Names(tools)

    def all(self, target: str, stop: Stop) -> int:
        """The waves in order, until one stops; the gravest exit code."""
        worst = Exit.DONE
        for number in self._names.waves(target):
            code = self._wave(number)
            worst = max(worst, code)
            if code not in GOES_ON or stop.asked():
                break
        return int(worst)

    def dry(self, target: str) -> int:
        """The same on copies, in virtual time."""
        self._ticker.say("simulation: nothing is changed; what runs is copied, time leaps, gates see healthy services")
        worst = Exit.DONE
        for done in rehearse(self._tools, self._names.waves(target), self._ticker.tell, self._names.left, self._ticker.say):
            self._print(done.report)
            self._print_measured(done)
            worst = max(worst, done.report.exit)
            if done.report.exit not in GOES_ON:
                self._ticker.say(f"{done.report.wave} would stop here")
                break
        return int(worst)

    def _wave(self, number: int) -> Exit:
        wave = check(self._tools, number, self._order, self._names.left)
        if wave.facts.state == ENDED:
            self._show(report(self._tools, wave, again=True))
            return Exit.DONE
        self._agree(wave)
        self._ticker.follow(list(self._tools.progress.moves(number)))
        reading = Board()
        try:
            with self._ticker.live(lambda: reading.status(wave.facts.name), reading.acts):
                done = execute(self._tools, wave, self._order, left=self._names.left, told=self._told)
        finally:
            reading.close()
        self._show(done)
        return done.exit

    def _told(self, text: str) -> None:
        self._ticker.say(f"waiting: {text}")

    def _agree(self, wave: StoredWave) -> None:
        """Show what will happen and ask, once: going on with a wave that has begun asks nothing."""
        if wave.facts.began is not None:
            self._ticker.say(f"going on with {wave.facts.name}")
            return
        for text in intent(wave):
            self._ticker.say(text)
        if asks_for_a_typed_name(wave):
            ask_name(f"{wave.facts.name} moves Enterprise services", wave.facts.name, given=self._confirm)
        elif sys.stdin.isatty():
            ask(f"Execute {wave.facts.name}?", yes=self._yes)

    def _show(self, done: WaveReport) -> None:
        if done.detached and not self._ticker.as_json:
            self._ticker.say(f"{done.wave} is left to the scheduler: rollout status tells what it does")
        else:
            self._print(done)
        if done.interrupted:
            self._ticker.say(interrupted(done))
        elif done.exit == Exit.STOPPED and (done.waiting or not done.counts.get(State.STUCK)):
            self._ticker.say(f"{done.wave} has stopped; next: rollout resume {done.wave}, or rollout abort {done.wave}")
        tended = done.scheduler
        if not (done.interrupted or done.scheduler) and (done.warm or done.detached or done.exit == Exit.STOPPED):
            tended = self._hand_over(done)
        if done.counts.get(State.STUCK):
            self._ticker.say(stuck(done, tended=tended))

    def _hand_over(self, done: WaveReport) -> bool:
        """What this command leaves behind is a scheduler's from now on, or it is said that it is nobody's (False)."""
        try:
            kept = keep_scheduler(find())
        except RolloutError as error:
            self._ticker.say(f"no scheduler could be started: {error.what}; next: rollout up")
            return False
        if self._ticker.as_json:
            return kept
        if kept:
            self._ticker.say(f"a scheduler runs from now on{' and ends what is warm' if done.warm else ''}; rollout down ends it")
        elif done.warm:
            self._ticker.say("no scheduler runs, so nobody ends what is warm until: rollout up")
        elif done.detached:
            self._ticker.say(f"no scheduler runs, so nobody begins {done.wave} until: rollout up")
        return kept

    def _print_measured(self, done: Rehearsed) -> None:
        """Of figures that nobody measured the document alone has all; people are told whence they are."""
        instruments = {one.snapshot.instrument: None for found in done.measured.values() for one in found}
        if self._ticker.as_json:
            for service, found in done.measured.items():
                self._ticker.event("measured", {"service": service, "periods": to_plain(found)})
        elif instruments:
            self._ticker.say(f"figures of before, during and after are in --json; {'; '.join(instruments)}")

    def _print(self, done: WaveReport) -> None:
        if self._ticker.as_json:
            self._ticker.event("report", {"report": to_plain(done)})
        else:
            for text in summary(done, actor.now()):
                tell(text)
