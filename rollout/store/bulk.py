"""Many rows at once: what SQLAlchemy does for each row of a bulk statement takes longer than the database.

Values stand as the database takes them: those of JSON columns are text already.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, repeat
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, Dialect, Executable, Select, Table, bindparam
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import Session

CHUNK = 10_000
MOST_NAMES = 512
OF: BindParameter[Sequence[str]] = bindparam("names", expanding=True)
"""Stands for any number of names in a statement that `find_of` is given: `TABLE.c.id.in_(OF)`."""
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


def find(session: Session, statement: Executable, **values: object) -> Sequence[Any]:
    """The rows that the statement finds, compiled once for this database; columns as the driver gives them.

    A statement is a constant of its module: what is made anew is compiled anew, and kept. What the session has been told
    counts, as it does for statements of its own.
    """
    session.flush()
    connection = session.connection()
    text, ordered = _question(statement, connection.dialect, tuple(values), 0)
    return connection.exec_driver_sql(text, ordered(values)).all()


def find_of(session: Session, statement: Executable, names: Sequence[str], **values: object) -> Iterator[Any]:
    """As `find`, in chunks, for any number of names: the statement has them as `OF`."""
    session.flush()
    connection = session.connection()
    for start in range(0, len(names), MOST_NAMES):
        some = names[start : start + MOST_NAMES]
        size = 1 << (len(some) - 1).bit_length()
        text, ordered = _question(statement, connection.dialect, tuple(values), size)
        marks = {f"{OF.key}_{place}": name for place, name in enumerate([*some, *repeat(some[0], size - len(some))], 1)}
        yield from connection.exec_driver_sql(text, ordered({**values, **marks})).all()


@lru_cache(maxsize=256)
def _compiled(statement: Executable, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, Callable[[Row], Any]]:
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    places = getattr(compiled, "positiontup", None)
    if not places:
        return str(compiled), dict
    return str(compiled), itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)


@lru_cache(maxsize=256)
def _question(statement: Executable, dialect: Dialect, names: tuple[str, ...], of: int) -> tuple[str, Callable[[Row], Any]]:
    """Its text, and what puts values in the order of its marks; `of`: how many names stand in the place of `OF`."""
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    asked = compiled.construct_expanded_state({**dict.fromkeys(names), **({OF.key: [""] * of} if of else {})})
    places = asked.positiontup
    fixed = {name: value for name, value in asked.parameters.items() if name not in names}
    if places is None:
        return asked.statement, lambda row: {**fixed, **row}
    return asked.statement, lambda row: tuple([row[place] if place in row else fixed[place] for place in places])
