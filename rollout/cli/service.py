"""`rollout service`: the group; each module registers its own commands."""

import typer

from rollout.cli import main, service_export, service_import, service_read, service_run, service_write

MODULES = (service_write, service_read, service_import, service_export, service_run)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("service"))
for module in MODULES:
    module.register(app)
