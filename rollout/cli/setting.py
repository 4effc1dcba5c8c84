"""The runtime option of `service add|set|import` and how the setting is shown: one module, so that removing it is a clean cut."""

from typing import Annotated

import typer

from rollout.model.fleet import RuntimeName
from rollout.operations.fleet import View

Runtime = Annotated[
    RuntimeName | None,
    typer.Option(help="legacy: a pin, with --reason. v2: ask for the next wave. Launches nothing.", case_sensitive=False),
]


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
