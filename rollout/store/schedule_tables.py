"""Tables of schedules and their runs, in the main branch as those of `tables`."""

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field

from rollout.store.tables import MainTable


class ScheduleRow(MainTable, table=True):
    """When a wave may run. `settled`: every run due until then is claimed or missed. It binds its wave until `ended`."""

    __tablename__ = "schedule"
    id: int | None = Field(default=None, primary_key=True)
    wave: int = Field(foreign_key="wave.number", index=True)
    times: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    missed: str
    by: str
    reason: str
    created: str
    settled: str
    ended: str | None = None
    why_ended: str = ""


class RunRow(MainTable, table=True):
    """One due time of a schedule that has come. The key is the claim: whoever writes the row has the run, nobody else ever."""

    __tablename__ = "schedule_run"
    schedule: int = Field(foreign_key="schedule.id", primary_key=True)
    due: str = Field(primary_key=True)
    until: str
    wave: int = Field(index=True)
    state: str
    by: str
    at: str
    note: str = ""
