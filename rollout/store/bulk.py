"""Many rows at once, as tuples: what SQLAlchemy does for each row of a bulk insert takes longer than the database."""

from collections.abc import Iterable, Sequence
from itertools import islice

from sqlalchemy import Table
from sqlmodel import Session

CHUNK = 10_000


def insert_rows(session: Session, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """The rows are in the table. Values stand in the order of `columns` and as the database takes them (JSON as text)."""
    connection = session.connection()
    quote = connection.dialect.identifier_preparer.quote
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names, marks = ", ".join(map(quote, columns)), ", ".join([mark] * len(columns))
    statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        connection.exec_driver_sql(statement, chunk)
