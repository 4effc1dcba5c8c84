"""The table of environments, in the main branch as those of `tables`."""

from sqlmodel import Field

from rollout.store.tables import MainTable


class EnvironmentRow(MainTable, table=True):
    """What somebody has said of an environment. `egress`: its instances may reach the outside; without a row they may not."""

    __tablename__ = "environment"
    name: str = Field(primary_key=True)
    egress: bool
    at: str
    by: str
