"""Where services run and which of them are moving now."""

from collections import defaultdict
from collections.abc import Mapping

from sqlmodel import Session, col, select

from rollout.model.fleet import RuntimeName
from rollout.store.tables import MoveRow, PlacementRow


def running(session: Session, service: str | None = None) -> Mapping[str, tuple[RuntimeName, ...]]:
    """The runtimes on which each service should run, legacy first; services that run nowhere are not in it."""
    query = select(PlacementRow.service, PlacementRow.runtime).order_by(col(PlacementRow.runtime))
    if service is not None:
        query = query.where(PlacementRow.service == service)
    found: dict[str, tuple[RuntimeName, ...]] = defaultdict(tuple)
    for name, runtime in session.exec(query):
        found[name] += (RuntimeName(runtime),)
    return dict(found)


def moving(session: Session, service: str | None = None) -> Mapping[str, str]:
    """Services in the middle of a move, with its id."""
    query = select(MoveRow.service, MoveRow.id).where(MoveRow.live == 1)
    if service is not None:
        query = query.where(MoveRow.service == service)
    return dict(session.exec(query).all())
