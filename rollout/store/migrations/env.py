"""Alembic's environment: runs on the connection that `migrate` hands in."""

from alembic import context

from rollout.store.migrations.elsewhere import complete
from rollout.store.setting import SETTING
from rollout.store.tables import MAIN

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=[complete(MAIN), complete(SETTING)], transactional_ddl=False)
context.run_migrations()
