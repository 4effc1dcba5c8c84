"""Completion: names of services, waves, plans, policies and schedules, without loading the command that they are for.

A command's module loads the store and much more, and a person who pressed Tab waits. So while a shell asks, each command
is a light one that knows from the table NAMED what its words name; only its options are looked up in the real one.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from typer.core import CompletionItem, TyperCommand, TyperGroup  # type: ignore[attr-defined]  # it is in typer, in no list of names

from rollout.wiring.names import (
    ANY_WAVE,
    CUSTOMER,
    ENVIRONMENT,
    PLAN,
    POLICY,
    REGION,
    RUNTIME,
    SCHEDULE,
    SERVICE,
    TIER,
    WAVE,
    names,
)

ASKED = "_ROLLOUT_COMPLETE"
TYPED = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where bash, and the other shells, hand over what has been typed."""
Kinds = tuple[str, ...]

NAMED: dict[str, tuple[Kinds, dict[str, Kinds]]] = {
    "plan": ((), {"--service": (SERVICE,), "--policy": (POLICY,)}),
    "show": ((ANY_WAVE, PLAN), {}),
    "execute": ((WAVE, PLAN), {"--confirm": (WAVE,)}),
    "status": ((WAVE,), {}),
    "report": ((), {"--plan": (PLAN,), "--wave": (ANY_WAVE,)}),
    "explain": ((SERVICE,), {}),
    "log": ((SERVICE,), {}),
    "pause": ((WAVE,), {}),
    "resume": ((WAVE,), {}),
    "approve": ((WAVE, SERVICE), {}),
    "abort": ((WAVE,), {}),
    "fail": ((SERVICE,), {}),
    "revert": ((WAVE, SERVICE), {}),
    "retry": ((SERVICE,), {}),
    "pin": ((SERVICE,), {}),
    "unpin": ((SERVICE,), {}),
    "service set": ((SERVICE,), {}),
    "service remove": ((SERVICE,), {}),
    "service show": ((SERVICE,), {}),
    "service export": ((SERVICE,), {}),
    "service deploy": ((SERVICE,), {}),
    "service stop": ((SERVICE,), {}),
    "service restart": ((SERVICE,), {}),
    "service logs": ((SERVICE,), {}),
    "environment set": ((ENVIRONMENT,), {}),
    "schedule add": ((WAVE,), {"--confirm": (WAVE,)}),
    "schedule next": ((WAVE,), {}),
    "schedule remove": ((SCHEDULE, WAVE), {}),
    "policy use": ((POLICY,), {}),
    "policy show": ((POLICY,), {}),
}
"""Command → what its words name, and what the values of its options name. What is not here names nothing that exists."""

VALUES: dict[str, Kinds] = {
    "--environment": (ENVIRONMENT,),
    "--customer": (CUSTOMER,),
    "--region": (REGION,),
    "--tier": (TIER,),
    "--runtime": (RUNTIME,),
}
"""What the values of these options name, whatever the command."""

SEVERAL = {"revert", "pin", "unpin", "service deploy", "service export", "schedule remove"}
"""Commands that take more than one word."""


def asked() -> bool:
    """A shell asks for completions."""
    return os.environ.get(ASKED, "").startswith("complete_")


def answer(ask: Callable[[], object]) -> NoReturn:
    """Answer the shell and end the process. Whatever is wrong, the person who types sees nothing of it."""
    with contextlib.suppress(Exception):
        ask()
    sys.exit(0)


class QuickGroup(TyperGroup):
    """A group that, while a shell asks and no word is an option, has none: what reads their values takes long to load."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options."""
        typed = (os.environ.get(name, "").split() for name in TYPED)
        quick = asked() and not any(word.startswith("-") for words in typed for word in words)
        return [] if quick else super().get_params(ctx)


class Quick(TyperCommand):
    """Stands for a command while a shell asks; `real` loads the one that it stands for."""

    def __init__(self, path: str, help_: str, real: Callable[[], Any]) -> None:
        super().__init__(path.rpartition(" ")[2], help=help_)
        self._path = path
        self._real = real
        self._before: list[str] = []

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words before the one to complete are kept as they are."""
        self._before = list(args)
        ctx.args = []
        return []

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """Names, or values or names of options."""
        if "--" in self._before:
            return []
        words, named = NAMED.get(self._path, ((), {}))
        options = VALUES | named
        last = next((word for word in reversed(self._before) if word != "="), "")
        if last in options:
            return self._items(options[last], incomplete)
        if incomplete.startswith("-"):
            found: list[CompletionItem] = self._real().shell_complete(ctx, incomplete)
            return found
        if last.startswith("-") and (param := self._option(last)) is not None:
            values: list[CompletionItem] = param.shell_complete(ctx, incomplete)
            return values
        if self._path not in SEVERAL and len(self._words()) > 0:
            return []
        return self._items(words, incomplete)

    def _items(self, kinds: Kinds, incomplete: str) -> list[CompletionItem]:
        found = dict.fromkeys(name for kind in kinds for name in names(kind, incomplete))
        return [CompletionItem(name) for name in found if name not in self._before]

    def _option(self, word: str) -> Any:
        """The option that waits for its value; None for a flag."""
        return next((one for one in self._real().params if word in one.opts and not getattr(one, "is_flag", False)), None)

    def _words(self) -> list[str]:
        """Those before that are neither options nor, as far as this can tell, their values."""
        follows = zip(["", *self._before], self._before, strict=False)
        return [word for last, word in follows if not word.startswith("-") and not (last.startswith("-") and self._option(last))]


def stand_in(name: str, help_: str, load: Callable[[], Any], subs: Sequence[str] = ()) -> TyperCommand | TyperGroup:
    """What stands for a command of the root; one that has `subs` is a group."""
    loaded: list[Any] = []

    def real() -> Any:
        if not loaded:
            loaded.append(load())
        return loaded[0]

    if not subs:
        return Quick(name, help_, real)
    commands = [Quick(f"{name} {sub}", "", partial(lambda known: real().get_command(None, known), sub)) for sub in subs]
    return QuickGroup(name=name, help=help_, commands=commands)
