"""`rollout service`: the group; each module registers its own commands, and is loaded when one of them is called."""

from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from rollout.cli import examples, main
from rollout.cli.loading import load

MODULES = {
    "add": "service_write",
    "set": "service_write",
    "remove": "service_write",
    "list": "service_read",
    "show": "service_read",
    "import": "service_import",
    "export": "service_export",
    "deploy": "service_run",
    "stop": "service_run",
    "restart": "service_run",
    "logs": "service_run",
}


class Group(TyperGroup):
    """Knows its commands from the table; loads the module of the one that is called, and all for the help of the group."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """All commands, in the order of the table."""
        return list(MODULES)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command, its module loaded now; None for an unknown name."""
        if cmd_name not in MODULES:
            return None
        if cmd_name not in self.commands:
            of_module = typer.Typer()
            load(f"rollout.cli.{MODULES[cmd_name]}").register(of_module)
            for name, command in get_group(of_module).commands.items():
                command.epilog = examples.block(f"service {name}")
                self.commands[name] = command
        return self.commands[cmd_name]


app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, help=main.help_line("service"))


@app.callback()
def _service() -> None:
    """One command alone would stand for the group; here it has none before one is called."""
