"""Leading a service back through the host part alone, while the store is down; and the store taking that over afterwards."""

import contextlib
import difflib
from collections.abc import Sequence

from rollout.errors import RolloutError, UsageError
from rollout.executor.ports import ControlKind
from rollout.host.known import Note
from rollout.host.ports import HostPart
from rollout.model.state import State
from rollout.operations.saying import Say, quiet
from rollout.store import blocks
from rollout.store.controls import Ask, Controls
from rollout.store.database import Database
from rollout.store.progress import Progress
from rollout.wiring.actor import now, user
from rollout.wiring.home import Home
from rollout.wiring.host import host_part
from rollout.wiring.part import client, running


def revert_without_store(home: Home, name: str, say: Say = quiet) -> Note:
    """All traffic of the service goes to legacy, through the host part alone; the store is not opened.

    UsageError for an unknown or ambiguous name, BrokenError when legacy is not well (nothing was changed then).
    """
    part = host_part(home, store=False, say=say)
    return part.lead_back(_named(part, name), user(), now().isoformat(timespec="seconds"))


def _named(part: HostPart, name: str) -> str:
    known = sorted({one.service for one in part.instances()})
    found = [service for service in known if name in {service, service.partition("/")[2]}]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several services are named {name}: {', '.join(found)}", then=f"name one of them, e.g. {found[0]}")
    near = difflib.get_close_matches(name, [*known, *(service.partition("/")[2] for service in known)], 1)
    if near:
        what = f"the host part runs no service {name}; did you mean {near[0]}?"
        raise UsageError(what, then=f"rollout revert {near[0]} --without-store")
    raise UsageError(f"the host part runs no service {name}", then=f"it runs: {', '.join(known) or 'nothing'}")


def take_over(home: Home, notes: Sequence[Note], *, start: bool, say: Say) -> list[str]:
    """The services whose `revert --without-store` the store knows from now on, so that drivers may act for them again.

    A move that has begun is asked to revert; any other service is blocked. Nothing is done, and nothing lost, while the host
    part or the store cannot be used; with `start` a host part is started where there is none.
    """
    taken: list[str] = []
    with contextlib.suppress(RolloutError):
        if not (start or running(home)):
            return taken
        part = host_part(home, say=say) if start else client(home)
        with home.opened() as database:
            for note in notes:
                _write_down(database, note)
                part.forget_note(note.service)
                taken.append(note.service)
    for service in taken:
        say(f"{service}: the store knows now that it was led back to legacy")
    return taken


def _write_down(database: Database, note: Note) -> None:
    reason = f"led back to legacy without the store at {note.at}"
    move = Progress(database).live_move(note.service)
    if move is not None and move.state is not State.PLANNED:
        Controls(database).write(Ask(kind=ControlKind.REVERT, subject=note.service, actor=note.actor, reason=reason), now=now())
        return
    with database.writing() as session:
        if blocks.get(session, note.service) is None:
            blocks.put(session, note.service, f"{reason} by {note.actor}", who=note.actor, at=now())
