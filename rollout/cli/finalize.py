"""`rollout finalize`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from rollout.cli.console import ask_name, emit, tell
from rollout.cli.progress import working
from rollout.errors import Exit
from rollout.executor.finalize import BlockerKind
from rollout.model.plain import to_plain
from rollout.operations.finalize import Readiness, refuse
from rollout.wiring.finalize import Finalizing

MOST = 5
app = typer.Typer(add_completion=False)


@app.command()
def finalize(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only tell what still needs it; exit 7 if anything does.")] = False,
    confirm: Annotated[str, typer.Option(help="The word finalize, in place of typing it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Write the runtime setting off: every service is on v2, no command offers the choice any more."""
    finalizing = Finalizing()
    try:
        with working("looking at every service"):
            found = finalizing.check()
        if not check and not found.written_off:
            refuse(found)
            ask_name("the runtime setting goes, every service stays on v2", "finalize", given=confirm)
            with working("writing the setting off"):
                finalizing.finalize()
                found = finalizing.check()
    finally:
        finalizing.close()
    if as_json:
        emit({"finalize": {**to_plain(found), "ready": not found.blockers}})
    else:
        for text in (*_lines(found), *_naming(found)):
            tell(text)
    raise typer.Exit(int(Exit.WAITING if found.blockers else Exit.DONE))


def _lines(found: Readiness) -> Iterator[str]:
    if found.written_off:
        yield f"the runtime setting is written off: {_all(found)}"
        return
    if not found.services:
        yield "there are no services yet, and so nothing that needs the setting; next: rollout service add --help"
        return
    for blocker in found.blockers:
        yield f"{blocker.service}  {blocker.kind.replace('_', ' ')}: {blocker.detail}; next: {blocker.then}"
    if found.blockers:
        waves = sum(blocker.kind is BlockerKind.SCHEDULED for blocker in found.blockers)
        scheduled = f", and {waves} scheduled {'wave' if waves == 1 else 'waves'}" if waves else ""
        yield f"{len(found.blockers) - waves} of {found.services} services still need the setting{scheduled}"
    else:
        yield f"nothing needs the setting: {_all(found)}; next: rollout finalize"
    if found.nowhere:
        named = ", ".join(found.nowhere[:MOST]) + (", …" if len(found.nowhere) > MOST else "")
        yield f"not running, and on v2 from their next deploy on once the setting is gone: {named}"


def _naming(found: Readiness) -> Iterator[str]:
    if found.naming:
        yield "files that still name a runtime; they are yours and stand against nothing:"
    for one in found.naming:
        more = f" and {one.times - 1} more" if one.times > 1 else ""
        problem = f" when it was imported; now: {one.problem}" if one.problem else ""
        yield f"  {one.path}: {one.key}{more}{problem}"


def _all(found: Readiness) -> str:
    running = found.services - len(found.nowhere)
    if found.nowhere:
        return f"{running} of {found.services} services are on v2, {len(found.nowhere)} not running"
    return "the one service is on v2" if running == 1 else f"all {running} services are on v2"
