"""The runtime option of `service add|set|import` and how the setting is shown: one module, so that removing it is a clean cut."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from rollout.model.fleet import RuntimeName
from rollout.operations.fleet import View
from rollout.wiring.fleet import choice_is_over

Runtime = Annotated[
    RuntimeName | None,
    typer.Option(help="legacy: a pin, with --reason. v2: ask for the next wave. Launches nothing.", case_sensitive=False),
]


class Command(TyperCommand):
    """A command with the runtime option: its help leaves it out in a home where the setting is written off."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help; the option still parses, so that using it is told as what it is."""
        over = choice_is_over()
        for param in self.params:
            if param.name == "runtime":
                param.hidden = over  # type: ignore[attr-defined]  # an option, not an argument: it has it
        super().format_help(ctx, formatter)


def told(view: View) -> str:
    """The setting and its origin in one cell; empty once it is written off."""
    return f"{view.setting.runtime} ({view.setting.origin})" if view.setting else ""


def lines(view: View) -> list[tuple[str, str]]:
    """What `show` says of the setting, the pin and the owner's wish."""
    if view.setting is None:
        return []
    found = [("setting", told(view))]
    if view.asked_for_v2:
        found.append(("asks for", "the next wave"))
    return found
