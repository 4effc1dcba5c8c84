"""What tables say to databases other than SQLite. Apart from them: it loads the dialect, and only a migration needs it."""

from sqlalchemy import MetaData


def complete(metadata: MetaData) -> MetaData:
    """An index over some rows is one over the same rows in PostgreSQL."""
    for table in metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"].get("where")
            if where is not None:
                index.dialect_kwargs["postgresql_where"] = where
    return metadata
