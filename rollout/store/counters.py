"""Sequences of the store: they only grow, and a number is given once."""

from sqlalchemy import insert, select, update
from sqlmodel import Session, col

from rollout.store.tables import CounterRow

FLEET_REVISION = "fleet_revision"
WAVE = "wave"
LEASE = "lease"
BACK = "back"


def next(session: Session, name: str) -> int:
    """The next number of the sequence `name`, from 1 on; given once, if the transaction of `session` commits."""
    number = current(session, name) + 1
    if number == 1:
        session.execute(insert(CounterRow).values(name=name, value=1))
    else:
        session.execute(update(CounterRow).where(col(CounterRow.name) == name).values(value=number))
    return number


def current(session: Session, name: str) -> int:
    """The number given last; 0 where none was."""
    return session.execute(select(col(CounterRow.value)).where(col(CounterRow.name) == name)).scalar_one_or_none() or 0
