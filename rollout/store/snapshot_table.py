"""The table of snapshots, in the main branch as those of `tables`."""

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, String
from sqlmodel import Field

from rollout.store.tables import MainTable


class SnapshotRow(MainTable, table=True):
    """What was measured of one side of a move in one period; `body` is the whole value."""

    __tablename__ = "snapshot"
    id: int | None = Field(default=None, primary_key=True)
    service: str = Field(sa_column=Column("service", String, ForeignKey("service.id", ondelete="CASCADE"), nullable=False))
    move: str = Field(index=True)
    ended: str
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
