"""The runtime setting: one table on a migration branch of its own, so that removing it is a clean cut."""

from sqlalchemy import MetaData
from sqlmodel import Field, SQLModel

SETTING = MetaData()


class SettingRow(SQLModel, table=True):
    """The runtime choice of a service and its origin; a service without a row has the default of the policy."""

    __tablename__ = "setting"
    metadata = SETTING
    service: str = Field(primary_key=True)
    runtime: str
    origin: str
    at: str
    by: str
