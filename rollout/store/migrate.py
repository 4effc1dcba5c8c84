"""Bringing the schema of a home to the version of this program, in two branches: `main` and `setting`."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from rollout.errors import BrokenError
from rollout.store.database import translated

HERE = Path(__file__).parent / "migrations"
MAIN_HEAD = "main_0002"
SETTING_HEAD = "setting_0001"
KNOWN = frozenset({"main_0001", MAIN_HEAD, SETTING_HEAD})


def upgrade(engine: Engine, where: str, *, sealed: bool = False) -> None:
    """The schema is that of this program. A sealed home has no `setting` branch.

    Raises BrokenError where the store was written by a newer program, is damaged, or cannot be written.
    """
    wanted = {MAIN_HEAD} if sealed else {MAIN_HEAD, SETTING_HEAD}
    with translated(where):
        with engine.connect() as connection:
            present = _present(connection)
        if not present <= KNOWN:
            raise BrokenError(
                f"the store {where} was written by a newer rollout (schema {', '.join(sorted(present - KNOWN))})",
                then="pip install --upgrade rollout",
            )
        if present != wanted:
            _run(engine, "main@head" if sealed else "heads")


def _present(connection: Connection) -> set[str]:
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return {row[0] for row in connection.execute(text("select version_num from alembic_version"))}


def _run(engine: Engine, target: str) -> None:
    # Loaded here because alembic takes longer to import than most commands take to run, and is needed once per version.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", f"{HERE / 'main'}\n{HERE / 'setting'}")
    with engine.execution_options(begin="IMMEDIATE").connect() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, target)
        connection.commit()
