"""Files that people import and that name a runtime: finalize lists them, they are not ours to change."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlmodel import Session, select

from rollout.store.tables import ManifestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file, the first place in it that names a runtime (dotted), and how many places do."""

    path: str
    key: str
    times: int = 1


def every(session: Session) -> list[Named]:
    """The files that named a runtime when they were imported last, by path."""
    rows = session.exec(select(ManifestRow)).all()
    return sorted((Named(path=row.path, key=row.key, times=row.times) for row in rows), key=lambda named: named.path)


def remember(session: Session, read: Collection[str], named: Iterable[Named]) -> None:
    """Of the files `read` these name a runtime, and no others; what is known of other files stays."""
    found = {one.path: one for one in named}
    for row in session.exec(select(ManifestRow)).all():
        if row.path in read and row.path not in found:
            session.delete(row)
    for one in found.values():
        session.merge(ManifestRow(path=one.path, key=one.key, times=one.times))
