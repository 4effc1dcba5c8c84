"""Tables of the main branch. Rows are not the model: the modules beside this one translate.

Times are ISO 8601 text in UTC with microseconds, so that they sort, and mean the same on every database.
"""

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, MetaData, String, Text, text
from sqlmodel import Field, SQLModel

MAIN = MetaData()


class MainTable(SQLModel):
    """Base of all tables that stay. Rows are made from what is known to be right: what would check them is not built."""

    metadata = MAIN
    model_config = {"defer_build": True}


def _json() -> Any:
    return Field(sa_column=Column(JSON, nullable=False))


def _service_key(*, primary: bool = False) -> Any:
    key = ForeignKey("service.id", ondelete="CASCADE")
    return Field(sa_column=Column("service", String, key, primary_key=primary, nullable=False))


class ServiceRow(MainTable, table=True):
    """A service as its owner describes it. `spec`: all of it but `env`, which stands apart because it is secret.

    What a planner asks of a service has columns of its own, so that nobody reads a million specs to make a plan.
    """

    __tablename__ = "service"
    __table_args__ = (Index("service_by_tier", "tier", "customer", "name"),)
    id: str = Field(primary_key=True)
    environment: str
    name: str = Field(index=True)
    customer: str
    tier: str
    kind: str
    spec: dict[str, Any] = _json()
    env: dict[str, str] = _json()
    settings_hash: str
    fingerprint: str
    engine: str | None = None
    has_command: bool
    only_image: bool
    fixed_port: bool
    has_volume: bool
    draining_s: float
    health_timeout_s: float
    created: str
    revision: int
    asked_for_v2: bool = False


class ManifestRow(MainTable, table=True):
    """A file of people's own that named a runtime when it was imported: `key` is the first place that did, `times` how many."""

    __tablename__ = "manifest"
    path: str = Field(primary_key=True)
    key: str
    times: int


class ReleaseRow(MainTable, table=True):
    """A release; `spec` and `env` as in the service at the deploy; `image` is NAME@DIGEST, empty where it has none."""

    __tablename__ = "release"
    __table_args__ = (Index("release_with_image", "service", "number", "image", sqlite_where=text("image <> ''")),)
    service: str = _service_key(primary=True)
    number: int = Field(primary_key=True)
    created: str
    created_by: str
    spec: dict[str, Any] = _json()
    env: dict[str, str] = _json()
    image: str = ""
    image_config: str = ""


class PlacementRow(MainTable, table=True):
    """What should run where, and its share of traffic."""

    __tablename__ = "placement"
    service: str = _service_key(primary=True)
    runtime: str = Field(primary_key=True)
    release: int
    token: str
    replicas: int
    weight: int
    since: str


class PinRow(MainTable, table=True):
    """An owner stays on legacy."""

    __tablename__ = "pin"
    service: str = _service_key(primary=True)
    reason: str
    owner: str
    created: str
    expires: str | None = None
    blocker: str | None = None


class BlockRow(MainTable, table=True):
    """Not planned again until its fingerprint changes or a person retries it."""

    __tablename__ = "block"
    service: str = _service_key(primary=True)
    reason: str
    created: str
    fingerprint: str


class PolicyRow(MainTable, table=True):
    """A stored policy, by the hash of its content."""

    __tablename__ = "policy"
    hash: str = Field(primary_key=True)
    name: str
    source: str = Field(sa_column=Column(Text, nullable=False))
    body: dict[str, Any] = _json()
    stored: str
    stored_by: str


class ActivePolicyRow(MainTable, table=True):
    """The one policy in force; `id` is always 1."""

    __tablename__ = "active_policy"
    id: int = Field(primary_key=True)
    hash: str = Field(foreign_key="policy.hash")
    since: str
    by: str


class CounterRow(MainTable, table=True):
    """Sequences of the store: fleet revision, wave numbers, lease numbers, back moves."""

    __tablename__ = "counter"
    name: str = Field(primary_key=True)
    value: int


class PlanRow(MainTable, table=True):
    """A stored plan. `body` is its JSON but for its waves and exclusions, which stand as parts; `content` as in the model."""

    __tablename__ = "plan"
    id: str = Field(primary_key=True)
    sha256: str
    content: str = Field(index=True)
    created: str
    expires: str
    body: str = Field(sa_column=Column(Text, nullable=False))
    stored: str
    stored_by: str
    superseded_by: str | None = None


class PlanPartRow(MainTable, table=True):
    """A wave of a plan as JSON with its hash, or (`wave` None) some of its exclusions. So nobody reads a plan for one wave."""

    __tablename__ = "plan_part"
    plan: str = Field(foreign_key="plan.id", primary_key=True)
    position: int = Field(primary_key=True)
    wave: int | None = Field(default=None, index=True)
    sha256: str
    text: str = Field(sa_column=Column(Text, nullable=False))


class WaveRow(MainTable, table=True):
    """A wave: `planned`, `running`, `stopped`, `ended`, `superseded`, `expired`. `superseded_by`: the plan that did it."""

    __tablename__ = "wave"
    number: int = Field(primary_key=True)
    plan: str = Field(foreign_key="plan.id", index=True)
    position: int
    tier: str
    size: int
    state: str
    began: str | None = None
    ended: str | None = None
    driver: str | None = None
    detached: bool = False
    superseded_by: str | None = None
    body: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class PlannedRow(MainTable, table=True):
    """Which service stands in which wave, so that nobody reads a whole plan for one. Moves get their row when they begin."""

    __tablename__ = "planned"
    __table_args__ = (Index("planned_by_service", "service"), {"sqlite_with_rowid": False})
    wave: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    service: str


BUSY = "live = 1 AND state <> 'planned'"
"""Rows of moves that have begun and not ended: few, however many wait. A query that says just this finds them by an index."""


class MoveRow(MainTable, table=True):
    """The current row of a move: its journal added up. One live move per service is an invariant of the database.

    `seq` is that of its last journal row, `entries` how many it has. `due` is a hint for drivers and no part of the sum.
    """

    __tablename__ = "move"
    __table_args__ = (
        Index("move_by_due", "wave", "due"),
        Index("move_by_state", "wave", "state", "position"),
        Index("move_by_service", "service"),
        Index("move_under_way", "state", sqlite_where=text(BUSY)),
        Index(
            "one_live_move",
            "service",
            unique=True,
            sqlite_where=text("live = 1"),
        ),
    )
    id: str = Field(primary_key=True)
    service: str
    wave: int
    state: str
    live: int
    due: str | None = None
    position: int = 0
    seq: int
    entries: int = 0
    body: dict[str, Any] = _json()


class JournalRow(MainTable, table=True):
    """Intent before an effect, outcome after it, events of the table. Never changed, never deleted."""

    __tablename__ = "journal"
    seq: int | None = Field(default=None, primary_key=True)
    move: str = Field(index=True)
    at: str = Field(index=True)
    kind: str
    step: str | None = None
    event: str | None = None
    actor: str
    reason: str
    evidence: dict[str, Any] = _json()
    changes: dict[str, Any] = _json()
    lease: int


class AuditRow(MainTable, table=True):
    """Who did what and why, hash-chained from the first row."""

    __tablename__ = "audit"
    seq: int | None = Field(default=None, primary_key=True)
    at: str = Field(index=True)
    who: str
    what: str
    subject: str = Field(index=True)
    why: str
    before: dict[str, Any] = _json()
    after: dict[str, Any] = _json()
    previous: str
    hash: str


class LeaseRow(MainTable, table=True):
    """Who drives; one live lease per subject."""

    __tablename__ = "lease"
    subject: str = Field(primary_key=True)
    number: int
    holder: dict[str, Any] = _json()
    heartbeat: str
    expires: str


class ControlRow(MainTable, table=True):
    """What a person asked for; `ended` when it no longer holds or has been obeyed."""

    __tablename__ = "control"
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    subject: str = Field(index=True)
    actor: str
    reason: str
    at: str
    until: str | None = None
    value: str = ""
    ended: str | None = None
    ended_by: str | None = None
    host: str = ""
