"""What typer says of words that it does not know, with what was probably meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

COMMAND = re.compile(r"No such command '(?P<word>[^']*)'")
OPTION = re.compile(r"No such option: (?P<word>\S+)")
CHOICE = re.compile(r"'(?P<word>[^']*)' is not one of (?P<known>'[^']*'(?:, '[^']*')*)")
SURE = 0.6
EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)
NUMBER = re.compile(r"Input should be a valid (integer|number), unable to parse string as an? (?:integer|number)")


def told(error: TyperException) -> str:
    """The message, one line without a full stop; `did you mean …?` at its end where something is near."""
    text = error.format_message().strip().rstrip(".").replace("Value error, ", "")
    text = NUMBER.sub(lambda found: f"must be {'an' if found[1] == 'integer' else 'a'} {found[1]}", text)
    text = EXTRA.sub(r"not expected here: \1", text)
    context = getattr(error, "ctx", None)
    for pattern, known in ((COMMAND, _commands), (OPTION, _options), (CHOICE, None)):
        found = pattern.search(text)
        if found is None:
            continue
        words = re.findall("'([^']*)'", found["known"]) if known is None else known(context)
        said = text if known is None else found.group()
        return said + meant(found["word"], words)
    return text


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` with the one or two that are nearest; empty where none is near."""
    near = get_close_matches(word.lower(), sorted(known), n=2, cutoff=SURE)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _commands(context: Any) -> Iterable[str]:
    group = getattr(context, "command", None)
    return group.list_commands(context) if isinstance(group, TyperGroup) else ()


def _options(context: Any) -> Iterable[str]:
    params = getattr(getattr(context, "command", None), "params", ())
    return [name for param in params for name in param.opts if name.startswith("--") and not param.hidden]
