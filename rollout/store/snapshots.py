"""Snapshots: written with the transition that ends their period, read for people."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import Session

from rollout.model.plain import from_plain, to_plain
from rollout.model.snapshot import Snapshot
from rollout.store import bulk
from rollout.store.encoded import encode
from rollout.store.snapshot_table import SnapshotRow

TABLE = SnapshotRow.metadata.tables["snapshot"]
_ADD = insert(TABLE)
_CHUNK = 500


def put(session: Session, snapshots: Sequence[Snapshot]) -> None:
    """They are kept."""
    bulk.run(session, _ADD, [_columns(snapshot) for snapshot in snapshots])


def of_moves(session: Session, moves: Collection[str]) -> Mapping[str, Sequence[Snapshot]]:
    """All snapshots of these moves, in the order in which they were taken; a move without any is not there."""
    found: dict[str, list[Snapshot]] = {}
    names = sorted(moves)
    for start in range(0, len(names), _CHUNK):
        query = select(TABLE.c.body).where(TABLE.c.move.in_(names[start : start + _CHUNK])).order_by(TABLE.c.id)
        for body in session.execute(query).scalars():
            snapshot = from_plain(Snapshot, body)
            found.setdefault(snapshot.move, []).append(snapshot)
    return found


def _columns(snapshot: Snapshot) -> dict[str, Any]:
    body = encode(to_plain(snapshot))
    ended = snapshot.ended.isoformat(timespec="microseconds")
    return {"service": snapshot.service, "move": snapshot.move, "ended": ended, "body": body}
