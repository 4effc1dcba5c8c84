"""Write the first migrations again from the tables. Only until the first release; afterwards a change is a new revision."""

import pathlib
import subprocess
import sys
import textwrap

sys.path.insert(0, ".")

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from rollout.store import environment_table, schedule_tables, snapshot_table  # noqa: F401 (their tables are in MAIN when they are loaded)
from rollout.store.migrations.elsewhere import complete
from rollout.store.setting import SETTING
from rollout.store.tables import MAIN

FLEET = ("service", "release", "placement", "pin", "block", "policy", "active_policy", "counter")
REVISIONS = (
    ("main", "main_0001", None, MAIN, lambda table: table in FLEET),
    ("main", "main_0002", "main_0001", MAIN, lambda table: table not in FLEET),
    ("setting", "setting_0001", None, SETTING, lambda table: True),
)

HEAD = '''"""First tables of the branch {name}."""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = None

TABLES = {tables}


'''


def main() -> None:
    for name, revision, down, metadata, chosen in REVISIONS:
        with create_engine("sqlite://").connect() as connection:
            script = produce_migrations(MigrationContext.configure(connection), complete(metadata))
        groups: dict[str, list] = {}
        for item in script.upgrade_ops.ops:
            groups.setdefault(item.table_name, []).append(item)
        order = [t.name for t in metadata.sorted_tables if chosen(t.name)]
        labels = None if down else (name,)
        parts = [HEAD.format(name=name, tables=repr(tuple(order)), revision=revision, down=down, labels=labels)]
        for table in order:
            code = render_python_code(UpgradeOps(ops=groups[table])).replace("sqlmodel.sql.sqltypes.AutoString()", "sa.String()")
            code = "\n".join(line for line in code.splitlines() if "###" not in line)
            parts.append(f"def _{table}() -> None:\n{textwrap.indent(textwrap.dedent(code), '    ')}\n\n\n")
        calls = "\n".join(f"    _{table}()" for table in order)
        parts.append(f'def upgrade() -> None:\n    """All tables are there."""\n{calls}\n\n\n')
        parts.append(
            'def downgrade() -> None:\n    """All tables are gone."""\n    for table in reversed(TABLES):\n        op.drop_table(table)\n'
        )
        path = pathlib.Path(f"rollout/store/migrations/{name}/{revision}.py")
        path.write_text("".join(parts))
        subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(path)], check=True)


main()
