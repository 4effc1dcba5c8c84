"""Which services are moving now."""

from collections.abc import Mapping

from sqlmodel import Session, select

from rollout.store.tables import MoveRow


def every(session: Session) -> Mapping[str, str]:
    """Services in the middle of a move, with its id."""
    return dict(session.exec(select(MoveRow.service, MoveRow.id).where(MoveRow.live == 1)).all())


def of(session: Session, service: str) -> str | None:
    """The id of the move that the service is in the middle of."""
    return session.exec(select(MoveRow.id).where(MoveRow.service == service, MoveRow.live == 1)).first()
