"""Bringing the schema of a home to the version of this program, in two branches: `main` and `setting`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from rollout.errors import BrokenError

HERE = Path(__file__).parent / "migrations"


def config() -> Config:
    """Alembic's configuration, without any file on the user's disk."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", f"{HERE / 'main'}\n{HERE / 'setting'}")
    return settings


def upgrade(engine: Engine, where: str, *, sealed: bool = False) -> None:
    """The schema is that of this program. A sealed home has no `setting` branch.

    Raises BrokenError where the store was written by a newer program.
    """
    settings = config()
    known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
    with engine.connect() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
        if not present <= known:
            raise BrokenError(
                f"the store {where} was written by a newer rollout (schema {', '.join(sorted(present - known))})",
                then="pip install --upgrade rollout",
            )
    with engine.execution_options(begin="IMMEDIATE").connect() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "main@head" if sealed else "heads")
        connection.commit()
