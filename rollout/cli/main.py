"""The command line's root: one table from command to module, each loaded when it is called."""

import gc
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from rollout.cli import complete, examples
from rollout.cli.console import report
from rollout.cli.loading import load
from rollout.errors import UsageError

MAIN = "Main job"
START = "Start"
GROUPS = "Groups"

COMMANDS: dict[str, tuple[str, str, str]] = {
    "plan": ("rollout.cli.plan", MAIN, "Cut what can move into waves, tier by tier; starts nothing."),
    "show": ("rollout.cli.show", MAIN, "A plan, a wave or a plan's file: what it says and what has become of it."),
    "execute": ("rollout.cli.execute", MAIN, "Move the services of a wave to v2; the same command resumes it."),
    "status": ("rollout.cli.status", MAIN, "Who drives, what failed, what each service waits for and since when."),
    "explain": ("rollout.cli.explain", MAIN, "Why a service is in its wave, or why not, and who can change that."),
    "log": ("rollout.cli.log", MAIN, "Who did what, and every transition, the newest last."),
    "report": ("rollout.cli.report", MAIN, "What moved when, what came back and why, gaps, pins; also as a page."),
    "pause": ("rollout.cli.verbs:pause", MAIN, "No step forward, weights held, gates watch on."),
    "resume": ("rollout.cli.verbs:resume", MAIN, "The pause, or the stop by a failure budget, is over."),
    "approve": ("rollout.cli.verbs:approve", MAIN, "A wave may begin; a held service may go on."),
    "abort": ("rollout.cli.verbs:abort", MAIN, "The wave's moves back, not blocked."),
    "fail": ("rollout.cli.verbs:fail", MAIN, "Back and blocked, and it counts in the budget."),
    "revert": ("rollout.cli.verbs:revert", MAIN, "Back, and blocked."),
    "retry": ("rollout.cli.verbs:retry", MAIN, "A blocked service may be planned again."),
    "pin": ("rollout.cli.pin:pin", MAIN, "Keep services on legacy for a while; what moves comes back first."),
    "unpin": ("rollout.cli.pin:unpin", MAIN, "Pinned services may be planned again."),
    "finalize": ("rollout.cli.finalize", MAIN, "Remove the runtime setting, once nothing needs it."),
    "demo": ("rollout.cli.demo", START, "Watch 24 real services move here, three of them broken; leaves nothing behind."),
    "up": ("rollout.cli.up", START, "Bring back what should run on this host; also after a reboot."),
    "down": ("rollout.cli.down", START, "End everything that runs here; forgets nothing."),
    "scheduler": ("rollout.cli.scheduler", START, "Finish what is warm, drive what nobody drives (kept by up)."),
    "doctor": ("rollout.cli.doctor", START, "What works on this machine, what is missing, what would add it."),
    "service": ("rollout.cli.service", GROUPS, "Services"),
    "environment": ("rollout.cli.environment", GROUPS, "Environments and their way to the outside"),
    "schedule": ("rollout.cli.schedule", GROUPS, "When waves run"),
    "policy": ("rollout.cli.policy", GROUPS, "The policy in force"),
    "image": ("rollout.cli.image", GROUPS, "Images"),
    "store": ("rollout.cli.store", GROUPS, "The store"),
    "host-part": ("rollout.cli.host_part", "", "Keep instances, edge and names (kept by its own shim)."),
    "dns": ("rollout.cli.dns", "", "Answer names (kept by the host part)."),
}
"""Command → (module, panel, one line of help). The module's `app` is a Typer; with one command it stands alone.

`module:name` names the Typer of a module that has several. Of a group the line says what it is about, GROUP what it has."""

GROUP: dict[str, tuple[str, ...]] = {
    "service": ("add", "set", "remove", "list", "show", "import", "export", "deploy", "stop", "restart", "logs"),
    "environment": ("list", "set"),
    "schedule": ("add", "list", "next", "remove"),
    "policy": ("use", "list", "show"),
    "image": ("show", "list", "prune"),
    "store": ("unlock",),
}


def help_line(name: str) -> str:
    """The line of help of a command; that of a group ends with all its commands."""
    line = COMMANDS[name][2]
    return f"{line}: {', '.join(GROUP[name])}." if name in GROUP else line


class LazyGroup(complete.QuickGroup):
    """Knows every command from the table; loads the module of the one that is called, and none for `--help`."""

    listing = False

    def list_commands(self, _ctx: Any) -> list[str]:
        """All commands, in the order of the table; those without a panel are hidden."""
        return [name for name, (_, panel, _) in COMMANDS.items() if panel]

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command, its module loaded now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        _, panel, _ = COMMANDS[cmd_name]
        if self.listing:
            return TyperCommand(cmd_name, help=help_line(cmd_name), rich_help_panel=panel)
        if complete.asked():
            return complete.stand_in(cmd_name, help_line(cmd_name), lambda: _loaded(cmd_name), GROUP.get(cmd_name, ()))
        return _loaded(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, from the table alone."""
        self.listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.listing = False


def _loaded(name: str) -> Any:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = get_command(getattr(load(module), attribute or "app"))
    command.name = name
    command.epilog = examples.block(name)
    for sub, one in getattr(command, "commands", {}).items():
        one.epilog = examples.block(f"{name} {sub}")
    return command


NO_PLUGINS = ("PYDANTIC_DISABLE_PLUGINS", "__all__")
"""Pydantic, which typer and the store build on, reads the metadata of everything installed for its plugins. We have none."""

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (no other command needs it)

        try:
            print(f"rollout {version('rollout')}")
        except PackageNotFoundError:
            print("rollout, not installed: its version is not known")
        raise typer.Exit


@app.callback()
def _root(
    *, _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False
) -> None:
    """Moves running services from the legacy runtime to v2, wave by wave, with a way back."""


def main(args: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code; errors come in three parts, never as a trace."""
    _open_what_is_closed()
    os.environ.setdefault(*NO_PLUGINS)
    if complete.asked():
        complete.answer(lambda: app(args=[], prog_name="rollout", standalone_mode=False))
    words = sys.argv[1:] if args is None else args
    code = report(lambda: app(args=_readable(words), prog_name="rollout", standalone_mode=False))
    gc.freeze()  # the process ends: to look through all that it made for garbage takes longer than many a command
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Stdin, stdout and stderr lead somewhere: else the next file, which may be the store, would get their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (kept until the process ends)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _readable(words: list[str]) -> list[str]:
    """The words themselves. UsageError where one has bytes that are not text: no store and no message could hold it."""
    for word in words:
        if not word.isprintable() and any("\ud800" <= c <= "\udfff" for c in word):
            raise UsageError(f"{word!a} is not UTF-8 text", then="check the encoding of your terminal")
    return words
