"""`rollout service import`: files and folders into the fleet."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rollout.cli import console, setting
from rollout.cli import service_options as o
from rollout.cli.progress import working
from rollout.errors import PartialError, UsageError
from rollout.manifests import mapping
from rollout.manifests.draft import Given
from rollout.manifests.scan import Scan, scan
from rollout.operations.fleet_import import Imported, import_found, with_known_env
from rollout.wiring import actor
from rollout.wiring import fleet as wiring
from rollout.wiring.collection import uncollected

SHOWN = 20
NAMED = 3


def register(app: typer.Typer) -> None:
    """The command is in the group."""
    app.command("import", cls=setting.Command)(import_)


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; hidden folders and node_modules are passed by.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the one service. Else as its file says, or its folder's.")] = None,
    environment: Annotated[str | None, typer.Option(help="Its private network. Else production, of Compose the project.")] = None,
    customer: o.Customer = None,
    tier: o.TierOption = None,
    kind: o.KindOption = None,
    map_: Annotated[Path | None, typer.Option("--map", help="Mapping file: file or FILE#SERVICE, name, tier, …")] = None,
    runtime: setting.Runtime = None,
    reason: o.Reason = "",
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Import the good although some are bad (exit 3).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference; write nothing.")] = False,
    json: o.Json = False,
) -> None:
    """Import fleet files (TOML, YAML, JSON, CSV), Compose files and Railway manifests. Options hold where a file says nothing.

    One bad file imports nothing (exit 2), unless --keep-going. The same import again changes nothing. In Compose files ${NAME}
    is filled in from the environment of this command, else from .env beside the file.
    """
    given = Given(name=name, environment=environment, customer=customer or actor.user(), tier=tier, kind=kind)
    with working("reading"), uncollected():
        found = scan(paths, given, mapping.read(map_) if map_ else mapping.MappingFile(), os.environ)
    _require_something(found, paths)
    if any(one.draft.kept_env for one in found.found):
        with wiring.fleet_to_look_at() as fleet:
            found = with_known_env(fleet, found)
    write = not dry_run and bool(found.found) and (keep_going or not found.problems)
    opened = wiring.fleet(create=True) if write else wiring.fleet_to_look_at()
    with opened as fleet, working(f"importing {len(found.found)} services" if write else "comparing"):
        done = import_found(fleet, found, wiring.rules(fleet), runtime=runtime, reason=reason, write=write)
    if json:
        console.emit(_data(found, done))
    else:
        _tell_unused(found)
        if write or dry_run:
            _tell(found, done)
    _finish(found, written=done.written, keep_going=keep_going)


def _require_something(found: Scan, paths: list[Path]) -> None:
    if not found.found and not found.problems:
        looked = ", ".join(str(path) for path in paths)
        raise UsageError(
            f"no fleet file and no manifest in {looked} ({len(found.passed_over)} files passed over)",
            then="rollout service import --help",
        )


def _tell(found: Scan, done: Imported) -> None:
    changes = [f"+ {name}" for name in done.added] + [f"~ {name}: {', '.join(fields)}" for name, fields in done.changed.items()]
    if not done.written or len(changes) <= SHOWN:
        sys.stdout.writelines(line + "\n" for line in changes)
    _tell_keys("not taken over", [(key, one.where) for one in found.found for key in one.draft.left_out])
    _tell_keys("how it was read", [(note, one.where) for one in found.found for note in one.draft.notes])
    _tell_keys("kept as a label, without effect", [(key, one.where) for one in found.found for key in one.draft.kept])
    if found.passed_over:
        names = [*map(str, found.passed_over[:NAMED]), *["…"] * (len(found.passed_over) > NAMED)]
        console.say(f"passed over, not ours: {_files(len(found.passed_over))} ({', '.join(names)})")
    sys.stdout.write(f"{len(done.added)} added, {len(done.changed)} changed, {len(done.unchanged)} unchanged")
    sys.stdout.write("\n" if done.written else " (nothing was written)\n")


def _tell_unused(found: Scan) -> None:
    for pattern in found.unused:
        console.say(f"no manifest fits the mapping's {pattern}")


def _tell_keys(what: str, keys: list[tuple[str, str]]) -> None:
    """One line per key, with its file, or the number of them."""
    by_key: dict[str, list[str]] = {}
    for key, where in keys:
        by_key.setdefault(key, []).append(where)
    if by_key:
        console.say(f"{what}:")
    for key, places in sorted(by_key.items()):
        console.say(f"  {key}  ({places[0] if len(places) == 1 else f'{len(places)} services'})")


def _files(count: int) -> str:
    return f"{count} file" + "s" * (count != 1)


def _data(found: Scan, done: Imported) -> dict[str, Any]:
    return {
        "written": done.written,
        "added": list(done.added),
        "changed": {name: list(fields) for name, fields in done.changed.items()},
        "unchanged": list(done.unchanged),
        "problems": [{"file": str(p.file), "line": p.line, "reason": p.reason} for p in found.problems],
        "not_taken_over": {one.where: list(one.draft.left_out) for one in found.found if one.draft.left_out},
        "notes": {one.where: list(one.draft.notes) for one in found.found if one.draft.notes},
        "kept_as_labels": {one.where: list(one.draft.kept) for one in found.found if one.draft.kept},
        "passed_over": [str(path) for path in found.passed_over],
        "unused_mappings": list(found.unused),
    }


def _finish(found: Scan, *, written: bool, keep_going: bool) -> None:
    if not found.problems:
        return
    for problem in found.problems:
        console.say(f"left out: {problem}")
    told = f"{len(found.problems)} of {len(found.problems) + len(found.found)} could not be imported"
    state = f"the other {len(found.found)} were imported" if written else "nothing was imported"
    if keep_going and found.found:
        raise PartialError(told, state=state, then="correct them and import again")
    then = "correct them, or import the rest with --keep-going" if found.found else "correct them and import again"
    raise UsageError(told, state=state, then=then)
