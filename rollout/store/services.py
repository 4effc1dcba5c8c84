"""The fleet in the store: services by id, put in bulk, found by the names that people type."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import Row, bindparam, delete, select, update
from sqlmodel import Session, col

from rollout.errors import UsageError
from rollout.model.fleet import Service, Tier
from rollout.store import audit, counters, setting
from rollout.store.bulk import insert_rows
from rollout.store.database import Database
from rollout.store.encoded import encode, encoded
from rollout.store.spec import fingerprinted, from_spec, to_spec
from rollout.store.tables import MAIN, ReleaseRow

TABLE = MAIN.tables["service"]
WRITTEN = (
    *("id", "environment", "name", "customer", "tier", "kind"),
    *("spec", "env", "settings_hash", "fingerprint", "revision"),
    *("engine", "has_command", "only_image", "fixed_port", "has_volume", "draining_s", "health_timeout_s"),
)
_CHUNK = 500
_WAVE = re.compile(r"(?:wave|back)-[1-9][0-9]{0,8}")
_ASKED = ("name", "environment", "customer", "tier")
_USUAL = {k: v for k, v in to_spec(Service(name="", environment="", customer="", tier=Tier.TRIAL)).items() if k not in _ASKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A service before (None: it is new) and after. `fields` names what differs; of env, `env.NAME`."""

    before: Service | None
    after: Service
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What putting services would do to the store."""

    added: tuple[Change, ...]
    changed: tuple[Change, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one home. `keyed_hash` is the home's HMAC: hashes in the store never tell a secret.

    Methods that take a session are part of the caller's transaction; the others are one of their own.
    """

    database: Database
    keyed_hash: Callable[[bytes], str]
    now: Callable[[], datetime]

    def put(self, services: Sequence[Service], *, who: str, why: str = "") -> Comparison:
        """The store has exactly these services under their ids; what else is there stays. One transaction."""
        with self.database.writing() as session:
            return self.put_in(session, services, who=who, why=why)

    def put_in(self, session: Session, services: Sequence[Service], *, who: str, why: str = "") -> Comparison:
        """As `put`, in the caller's transaction."""
        comparison = self.compare(session, services)
        changes = (*comparison.added, *comparison.changed)
        if changes:
            at, revision = self.now(), counters.next(session, counters.FLEET_REVISION)
            self._insert(session, comparison.added, at, revision)
            self._update(session, comparison.changed, revision)
            audit.append_many(session, (_line(change, who, why) for change in changes), at)
        return comparison

    def compare(self, session: Session, services: Sequence[Service]) -> Comparison:
        """What `put` would do; changes nothing."""
        known = _known(session, [service.id for service in services])
        added, changed, unchanged = [], [], []
        for service in services:
            row = known.get(service.id)
            if row is None:
                added.append(Change(before=None, after=service))
            elif row.settings_hash == self.settings_hash(service):
                unchanged.append(service.id)
            else:
                before = from_spec(row.spec, row.env)
                changed.append(Change(before=before, after=service, fields=differing(before, service)))
        return Comparison(added=tuple(added), changed=tuple(changed), unchanged=tuple(unchanged))

    def settings_hash(self, service: Service) -> str:
        """Tells that anything of the service changed, env included, and never what it is."""
        return self._settings_hash(encode(to_spec(service)), encode(service.env))

    def known(self, session: Session, ids: Sequence[str]) -> Mapping[str, Service]:
        """Those of the services that are in the store, by id."""
        return {key: from_spec(row.spec, row.env) for key, row in _known(session, ids).items()}

    def get(self, service: str) -> Service | None:
        """The service of this id; None where there is none."""
        with self.database.reading() as session:
            row = session.execute(select(TABLE.c.spec, TABLE.c.env).where(TABLE.c.id == service)).first()
        return from_spec(row.spec, row.env) if row else None

    def find(self, name: str) -> Service:
        """The service that a person means by NAME or ENVIRONMENT/NAME.

        UsageError where there is none (with the nearest names) or where several environments have the name (names them).
        """
        with self.database.reading() as session:
            column = TABLE.c.id if "/" in name else TABLE.c.name
            rows = session.execute(select(TABLE.c.id, TABLE.c.spec, TABLE.c.env).where(column == name)).all()
            if not rows:
                raise _unknown(session, name)
        if len(rows) > 1:
            ids = sorted(row.id for row in rows)
            raise UsageError(f"several services are named {name}: {', '.join(ids)}", then=f"name one of them, e.g. {ids[0]}")
        return from_spec(rows[0].spec, rows[0].env)

    def list(
        self, *, tiers: Iterable[Tier] = (), environment: str | None = None, customer: str | None = None
    ) -> Sequence[Service]:
        """Services in the order of their ids; only those of the tiers, environment and customer given."""
        query = select(TABLE.c.spec, TABLE.c.env).order_by(TABLE.c.id)
        if chosen := [tier.value for tier in tiers]:
            query = query.where(TABLE.c.tier.in_(chosen))
        if environment is not None:
            query = query.where(TABLE.c.environment == environment)
        if customer is not None:
            query = query.where(TABLE.c.customer == customer)
        with self.database.reading() as session:
            return [from_spec(spec, env) for spec, env in session.execute(query)]

    def remove(self, session: Session, service: str, *, who: str, why: str = "") -> bool:
        """The service, its releases, placements, pin, block and setting are gone; False where it was unknown."""
        known = _known(session, [service]).get(service)
        if known is None:
            return False
        setting.unset(session, service)
        session.execute(delete(TABLE).where(TABLE.c.id == service))
        counters.next(session, counters.FLEET_REVISION)
        before = _audited(from_spec(known.spec, known.env))
        audit.append(session, audit.Line(who=who, what="remove", subject=service, why=why, before=before), self.now())
        return True

    def secrets(self, services: Collection[str]) -> frozenset[str]:
        """Every value of env that one of the services or of their releases has: what must be masked. Empty ones are not."""
        names, found = list(services), set[str]()
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            releases = select(col(ReleaseRow.env)).where(col(ReleaseRow.service).in_(chunk))
            with self.database.reading() as session:
                present = session.execute(select(TABLE.c.env).where(TABLE.c.id.in_(chunk))).scalars().all()
                past = session.execute(releases).scalars().all()
            found |= {value for env in (*present, *past) for value in env.values() if value}
        return frozenset(found)

    def _settings_hash(self, spec: str, env: str) -> str:
        return self.keyed_hash(f"{spec}\n{env}".encode())

    def _row(self, service: Service, revision: int) -> tuple[object, ...]:
        """The values of the columns `WRITTEN`."""
        spec = to_spec(service)
        spec_text, env_text = encode(spec), encode(service.env)
        return (
            service.id,
            service.environment,
            service.name,
            service.customer,
            service.tier.value,
            service.kind.value,
            spec_text,
            env_text,
            self._settings_hash(spec_text, env_text),
            self.keyed_hash(encoded(fingerprinted(spec, service.env))),
            revision,
            service.engine.value if service.engine else None,
            bool(service.command or service.image),
            bool(service.image and not service.command),
            service.port is not None,
            bool(service.volumes),
            service.draining_s,
            service.health_timeout_s,
        )

    def _insert(self, session: Session, changes: Sequence[Change], at: datetime, revision: int) -> None:
        created = (at.isoformat(timespec="microseconds"), False)
        rows = ((*self._row(change.after, revision), *created) for change in changes)
        insert_rows(session, TABLE, (*WRITTEN, "created", "asked_for_v2"), rows)

    def _update(self, session: Session, changes: Sequence[Change], revision: int) -> None:
        rows = [self._row(change.after, revision) for change in changes]
        if rows:
            wanted = [{"key": row[0], **dict(zip(WRITTEN[1:], row[1:], strict=True))} for row in rows]
            session.connection().execute(update(TABLE).where(TABLE.c.id == bindparam("key")), wanted)


def ask_for_v2(session: Session, service: str, asked: bool) -> None:
    """Whether the owner asks for the next wave. The caller audits: it is a part of writing the setting."""
    session.execute(update(TABLE).where(TABLE.c.id == service).values(asked_for_v2=asked))


def created(session: Session, service: str) -> datetime | None:
    """When the service was added; None where it is unknown."""
    text = session.execute(select(TABLE.c.created).where(TABLE.c.id == service)).scalar_one_or_none()
    return datetime.fromisoformat(text) if text else None


def asking_for_v2(session: Session) -> frozenset[str]:
    """Ids of the services whose owner asks for the next wave."""
    return frozenset(session.execute(select(TABLE.c.id).where(TABLE.c.asked_for_v2)).scalars())


def differing(before: Service, after: Service) -> tuple[str, ...]:
    """Names of the fields that differ; of env `env.NAME`, so that no value is told."""
    old, new = to_spec(before), to_spec(after)
    fields = [key for key in old if old[key] != new[key]]
    names = sorted({*before.env, *after.env})
    return (*fields, *(f"env.{name}" for name in names if before.env.get(name) != after.env.get(name)))


def _known(session: Session, ids: Sequence[str]) -> Mapping[str, Row[tuple[str, str, dict[str, object], dict[str, str]]]]:
    known = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(TABLE.c.id, TABLE.c.settings_hash, TABLE.c.spec, TABLE.c.env)
        for row in session.execute(query.where(TABLE.c.id.in_(ids[start : start + _CHUNK]))):
            known[row.id] = row
    return known


def _unknown(session: Session, name: str) -> UsageError:
    told = name or "with an empty name"
    column = TABLE.c.id if "/" in name else TABLE.c.name
    names = sorted(set(session.execute(select(column)).scalars()))
    if _WAVE.fullmatch(name) and name not in names:
        return UsageError(f"{name} is a wave; this takes a service", then=f"rollout show {name} lists its services")
    if not names:
        return UsageError(f"no service {told}: the fleet is empty", then="rollout service add, or rollout service import")
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    return UsageError(
        f"no service {told}" + (f"; did you mean {', '.join(near)}?" if near else ""),
        then=f"rollout service show {near[0]}" if len(near) == 1 else "rollout service list",
    )


def _audited(service: Service) -> dict[str, object]:
    told: dict[str, object] = {key: value for key, value in to_spec(service).items() if value != _USUAL.get(key)}
    if service.env:
        told["env"] = sorted(service.env)
    return told


def _line(change: Change, who: str, why: str) -> audit.Line:
    if change.before is None:
        return audit.Line(who=who, what="add", subject=change.after.id, why=why, after=_audited(change.after))
    old, new = to_spec(change.before), to_spec(change.after)
    plain = [name for name in change.fields if name in old]
    before: dict[str, object] = {name: old[name] for name in plain}
    after: dict[str, object] = {name: new[name] for name in plain}
    if names := [name.removeprefix("env.") for name in change.fields if name not in old]:
        before["env"] = [name for name in names if name in change.before.env]
        after["env"] = [name for name in names if name in change.after.env]
    return audit.Line(who=who, what="set", subject=change.after.id, why=why, before=before, after=after)
