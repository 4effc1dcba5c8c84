"""`rollout service export`: the fleet, or some of it, as one of our own files."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from rollout.cli import console
from rollout.errors import BrokenError, UsageError
from rollout.manifests.fleet_write import Form, pieces
from rollout.operations.fleet_export import Exported, export, record_secrets
from rollout.wiring import actor
from rollout.wiring import fleet as wiring

SUFFIXES = {".toml": Form.TOML, ".yaml": Form.YAML, ".yml": Form.YAML, ".json": Form.JSON, ".csv": Form.CSV}
PRIVATE, USUAL = 0o600, 0o666


def register(app: typer.Typer) -> None:
    """The command is in the group."""
    app.command("export")(export_)


def export_(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="NAME or ENVIRONMENT/NAME. None: all.")] = None,
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file.", dir_okay=False)] = None,
    form: Annotated[Form | None, typer.Option("--format", help="Default: as FILE ends, else toml.", case_sensitive=False)] = None,
    with_secrets: Annotated[bool, typer.Option("--with-secrets", help="With the values of env; only you can read FILE.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replace FILE without asking.")] = False,
) -> None:
    """Write services as a fleet file; `rollout service import` of it changes nothing.

    Of env it has the names alone: the import keeps the values that the home has. Pins, blocks and runtime choices stay behind.
    """
    chosen = _form(out, form)
    if with_secrets and out is None:
        raise UsageError("--with-secrets needs a file: secrets are not printed", then="add --out FILE")
    with wiring.fleet() as fleet:
        exported = export(fleet, names or [], secrets=with_secrets)
        text = pieces(exported.entries, chosen, secrets=with_secrets)
        if out is None:
            sys.stdout.writelines(text)
        else:
            if out.exists():
                console.ask(f"Replace {out}?", yes=yes)
            if with_secrets:
                record_secrets(fleet, exported, who=actor.user(), into=str(out.resolve()))
            _write(out, text, mode=PRIVATE if with_secrets else USUAL)
    _tell(exported, out, with_secrets)


def _form(out: Path | None, form: Form | None) -> Form:
    if out is None:
        return form or Form.TOML
    if out.exists() and not out.is_file():
        raise UsageError(f"{out} is not a file", then="name another one")
    known = SUFFIXES.get(out.suffix.lower())
    if known is None or (form and form is not known):
        ends = ", ".join(SUFFIXES)
        raise UsageError(f"{out} does not end as {form or 'a fleet file'} does", then=f"name a file that ends in one of {ends}")
    return known


def _write(path: Path, text: Iterable[str], *, mode: int) -> None:
    """The file holds the text, all or nothing: it is written beside and renamed. Its mode holds before the first byte."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="") as file:
            file.writelines(text)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BrokenError(f"cannot write {path}: {error.strerror}", then="look at its folder, or name another file") from error


def _tell(exported: Exported, out: Path | None, with_secrets: bool) -> None:
    count, where = len(exported.services), f" to {out}" if out else ""
    console.say(f"{count} service{'s' * (count != 1)} exported{where}")
    if with_secrets:
        console.say(f"{out} holds secrets: only you can read it")
    elif exported.with_env:
        of = f"{exported.with_env} service{'s' * (exported.with_env != 1)}"
        console.say(f"the values of env of {of} are not in it; with them: --with-secrets --out FILE")
