"""Stored policies, by the hash of what they say, and the one in force."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from rollout.model.plain import from_plain, sha256, to_plain
from rollout.model.policy import Policy
from rollout.store import audit
from rollout.store.database import Database
from rollout.store.tables import ActivePolicyRow, PolicyRow

THE_ONE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy that was put in force once. `hash` covers what it says, not its comments; `source` is the file's text."""

    hash: str
    policy: Policy
    source: str
    stored: datetime
    stored_by: str
    active: bool


class Policies:
    """The policies of one home."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def use(self, policy: Policy, *, source: str, who: str, now: datetime) -> str:
        """From return on `policy` is in force. Its hash; storing the same again changes nothing but who chose it."""
        key = sha256(policy)
        at = now.isoformat(timespec="microseconds")
        with self._database.writing() as session:
            row = session.get(PolicyRow, key)
            if row is None:
                body = to_plain(policy)
                row = PolicyRow(hash=key, name=policy.name, source=source, body=body, stored=at, stored_by=who)
            row.source = source
            session.add(row)
            session.flush()
            active = session.get(ActivePolicyRow, THE_ONE)
            before = active.hash if active else None
            if before != key:
                session.merge(ActivePolicyRow(id=THE_ONE, hash=key, since=at, by=who))
                audit.append(session, _line(policy, who, before, key), now)
        return key

    def active(self) -> StoredPolicy | None:
        """The policy in force; None where nobody has chosen one (then `manifests.policy.default()` holds)."""
        with self._database.reading() as session:
            chosen = session.get(ActivePolicyRow, THE_ONE)
            row = session.get(PolicyRow, chosen.hash) if chosen else None
            return _stored(row, chosen) if row else None

    def listed(self) -> list[StoredPolicy]:
        """All stored ones, the oldest first."""
        with self._database.reading() as session:
            chosen = session.get(ActivePolicyRow, THE_ONE)
            rows = session.exec(select(PolicyRow).order_by(col(PolicyRow.stored), col(PolicyRow.hash)))
            return [_stored(row, chosen) for row in rows]

    def named(self, name: str) -> StoredPolicy | None:
        """The newest of that name, or the one whose hash begins with `name` (8 characters or more)."""
        found = [p for p in self.listed() if p.policy.name == name or (len(name) >= 8 and p.hash.startswith(name))]
        return found[-1] if found else None


def active_policy(session: Session) -> Policy | None:
    """The policy in force, as this session sees it."""
    chosen = session.get(ActivePolicyRow, THE_ONE)
    row = session.get(PolicyRow, chosen.hash) if chosen else None
    return from_plain(Policy, row.body) if row else None


def _line(policy: Policy, who: str, before: str | None, after: str) -> audit.Line:
    old = {"hash": before} if before else {}
    return audit.Line(who=who, what="policy use", subject=policy.name, before=old, after={"hash": after})


def _stored(row: PolicyRow, chosen: ActivePolicyRow | None) -> StoredPolicy:
    return StoredPolicy(
        hash=row.hash,
        policy=from_plain(Policy, row.body),
        source=row.source,
        stored=datetime.fromisoformat(row.stored),
        stored_by=row.stored_by,
        active=chosen is not None and chosen.hash == row.hash,
    )
