"""Sequences of the store: they only grow, and a number is given once."""

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session

from rollout.store import bulk
from rollout.store.tables import MAIN

FLEET_REVISION = "fleet_revision"
WAVE = "wave"
LEASE = "lease"
BACK = "back"
_TABLE = MAIN.tables["counter"]
_CURRENT = select(_TABLE.c.value).where(_TABLE.c.name == bindparam("of"))
_ADD = insert(_TABLE)
_CHANGE = update(_TABLE).where(_TABLE.c.name == bindparam("of")).values(value=bindparam("new"))


def next(session: Session, name: str) -> int:
    """The next number of the sequence `name`, from 1 on; given once, if the transaction of `session` commits."""
    number = current(session, name) + 1
    if number == 1:
        bulk.run(session, _ADD, [{"name": name, "value": 1}])
    else:
        bulk.run(session, _CHANGE, [{"of": name, "new": number}])
    return number


def current(session: Session, name: str) -> int:
    """The number given last; 0 where none was."""
    found = bulk.find(session, _CURRENT, of=name)
    return int(found[0].value) if found else 0
