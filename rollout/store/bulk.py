"""Many rows at once: what SQLAlchemy does for each row of a bulk statement takes longer than the database.

Values stand as the database takes them: those of JSON columns are text already.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Executable, Select, Table
from sqlalchemy.sql import ClauseElement
from sqlmodel import Session

CHUNK = 10_000
Row = Mapping[str, Any]


def insert_rows(
    session: Session, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]], *, at_once: int = CHUNK
) -> None:
    """The rows are in the table. Values stand in the order of `columns`. `at_once`: fewer where rows are long."""
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.quote
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names, marks = ", ".join(map(quote, columns)), ", ".join([mark] * len(columns))
    statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"
    waiting = iter(rows)
    while chunk := list(islice(waiting, at_once)):
        connection.exec_driver_sql(statement, chunk)


def tuples(session: Session, query: Select[Any], *, at_once: int = CHUNK) -> Iterator[tuple[Any, ...]]:
    """The rows as the driver gives them: JSON as text, what is true or false as the database has it."""
    connection = session.connection()
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    places = getattr(compiled, "positiontup", None)
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(compiled), values if places is None else [values[place] for place in places])
        while some := cursor.fetchmany(at_once):
            yield from some
    finally:
        cursor.close()


def run(session: Session, statement: Executable, rows: Sequence[Row]) -> int:
    """The statement, compiled once for this database, has run for every row; how many rows of the table it touched."""
    if not rows:
        return 0
    connection = session.connection()
    text, ordered = _compiled(statement, connection.dialect, tuple(rows[0]))
    return connection.exec_driver_sql(text, [ordered(row) for row in rows]).rowcount


@lru_cache(maxsize=256)
def _compiled(statement: Executable, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, Callable[[Row], Any]]:
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    places = getattr(compiled, "positiontup", None)
    if not places:
        return str(compiled), dict
    return str(compiled), itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
