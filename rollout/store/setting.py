"""The runtime setting: one table on a migration branch of its own, so that removing it is a clean cut.

No row means `legacy`/`default`. A service that was created after the flip got a row `v2`/`default` then, so that changing
the policy later changes no service's setting. Once written off, the table is not read any more: every service is on v2.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import MetaData, bindparam, delete, insert, select
from sqlmodel import Field, Session, SQLModel, col

from rollout.errors import StaleError, UsageError
from rollout.model.fleet import Origin, RuntimeName, Setting
from rollout.model.values import value
from rollout.store import audit, bulk, counters

SETTING = MetaData()
WRITTEN_OFF = "setting_written_off"
AFTER = Setting(runtime=RuntimeName.V2, origin=Origin.DEFAULT)


@value(frozen=True, slots=True, kw_only=True)
class Choice:
    """One setting that is to be written, and for the audit who does it and why."""

    service: str
    setting: Setting
    who: str
    at: datetime
    why: str = ""


class SettingRow(SQLModel, table=True):
    """The runtime choice of a service and its origin; a service without a row is `legacy`/`default`."""

    __tablename__ = "setting"
    metadata = SETTING
    model_config = {"defer_build": True}
    service: str = Field(primary_key=True)
    runtime: str
    origin: str
    at: str
    by: str


_TABLE = SETTING.tables["setting"]
_ADD = insert(_TABLE)
_EVERY = select(_TABLE.c.service, _TABLE.c.runtime, _TABLE.c.origin)
_OF = _EVERY.where(_TABLE.c.service.in_(bulk.OF))
_SETTINGS = {(str(r), str(o)): Setting(runtime=r, origin=o) for r in RuntimeName for o in Origin}
_DROP = delete(_TABLE).where(_TABLE.c.service == bindparam("of"))


def written_off(session: Session) -> bool:
    """Whether `finalize` has ended the choice."""
    return counters.current(session, WRITTEN_OFF) > 0


def write_off(session: Session, *, who: str, at: datetime) -> None:
    """From now on there is no choice: every service is on v2. Idempotent. The rows stay until the home is sealed."""
    if written_off(session):
        return
    counters.next(session, WRITTEN_OFF)
    counters.next(session, counters.FLEET_REVISION)
    audit.append(session, audit.Line(who=who, what="setting written off", subject="setting"), at)


def get(session: Session, service: str) -> Setting:
    """The setting of one service as it is now."""
    if written_off(session):
        return AFTER
    row = session.get(SettingRow, service)
    return _setting(row) if row else Setting()


def of_many(session: Session, services: Sequence[str]) -> Mapping[str, Setting]:
    """The settings of these services as they are now."""
    known = every(session, services)
    return {**dict.fromkeys(services, default(session)), **known}


def every(session: Session, only: Sequence[str] | None = None) -> Mapping[str, Setting]:
    """The settings that have a row, by service (of these alone where they are named); of others `default(session)` holds."""
    if written_off(session):
        return {}
    return _settings(bulk.find(session, _EVERY)) if only is None else _known(session, only)


def default(session: Session) -> Setting:
    """The setting of a service without a row."""
    return AFTER if written_off(session) else Setting()


def put(session: Session, service: str, setting: Setting, *, who: str, at: datetime, why: str = "") -> bool:
    """The service has this setting; False where it had it already. UsageError once the setting is written off."""
    return put_many(session, [Choice(service=service, setting=setting, who=who, at=at, why=why)]) > 0


def put_many(session: Session, choices: Sequence[Choice]) -> int:
    """The services have these settings; how many had another before. Bulk. UsageError once the setting is written off."""
    if not choices:
        return 0
    _require(session, choices[0].service)
    before = _known(session, [choice.service for choice in choices])
    changed = [choice for choice in choices if before.get(choice.service, Setting()) != choice.setting]
    if changed:
        bulk.run(session, _DROP, [{"of": choice.service} for choice in changed])
        bulk.run(session, _ADD, [_columns(c.service, c.setting, c.who, c.at) for c in changed])
        counters.next(session, counters.FLEET_REVISION)
        lines = (_line(c.service, before.get(c.service, Setting()), c.setting, who=c.who, why=c.why) for c in changed)
        audit.append_many(session, lines, changed[0].at)
    return len(changed)


def put_new(session: Session, services: Iterable[str], setting: Setting, *, who: str, at: datetime) -> None:
    """Services just created in this transaction have this setting. Bulk; their creation is what the audit tells."""
    names = list(services)
    if names and setting != default(session):
        _require(session, names[0])
        _insert(session, dict.fromkeys(names, setting), who, at)


def unset(session: Session, service: str) -> None:
    """The service has no row. Idempotent; for a service that is removed in this transaction, so not audited apart."""
    if not written_off(session):
        session.execute(delete(SettingRow).where(col(SettingRow.service) == service))


def _known(session: Session, services: Sequence[str]) -> dict[str, Setting]:
    return _settings(bulk.find_of(session, _OF, services))


def _settings(rows: Iterable[tuple[str, str, str]]) -> dict[str, Setting]:
    return {service: _SETTINGS[runtime, origin] for service, runtime, origin in rows}


def _insert(session: Session, settings: Mapping[str, Setting], who: str, at: datetime) -> None:
    rows = [_columns(service, setting, who, at) for service, setting in settings.items()]
    bulk.run(session, _ADD, rows)


def _columns(service: str, setting: Setting, who: str, at: datetime) -> dict[str, str]:
    return {
        "service": service,
        "runtime": setting.runtime.value,
        "origin": setting.origin.value,
        "at": at.isoformat(timespec="microseconds"),
        "by": who,
    }


def require_legacy(session: Session, what: str) -> None:
    """StaleError that says `what` cannot be, once the setting is written off: there is no legacy to be on."""
    if written_off(session):
        raise StaleError(f"the runtime setting is written off: {what}", then="rollout status")


def _require(session: Session, service: str) -> None:
    if written_off(session):
        raise UsageError(
            f"{service}: the runtime setting is written off: every service is on v2",
            then="leave the runtime out of the command or file",
        )


def _setting(row: SettingRow) -> Setting:
    return Setting(runtime=RuntimeName(row.runtime), origin=Origin(row.origin))


def _line(service: str, before: Setting, after: Setting, *, who: str, why: str) -> audit.Line:
    return audit.Line(
        who=who,
        what="setting",
        subject=service,
        why=why,
        before={"runtime": before.runtime.value, "origin": before.origin.value},
        after={"runtime": after.runtime.value, "origin": after.origin.value},
    )
