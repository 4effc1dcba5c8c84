"""The schema of a home: two branches, each equal to its tables; a newer one is refused."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, inspect, text

from rollout.errors import BrokenError
from rollout.store.database import connect
from rollout.store.environment_table import EnvironmentRow
from rollout.store.migrate import HERE, KNOWN, MAIN_HEAD, SETTING_HEAD, upgrade
from rollout.store.schedule_tables import ScheduleRow
from rollout.store.setting import SETTING
from rollout.store.snapshot_table import SnapshotRow
from rollout.store.tables import MAIN


def opened(tmp_path: Path, *, sealed: bool = False) -> Engine:
    engine = connect(tmp_path / "store.sqlite")
    upgrade(engine, "store.sqlite", sealed=sealed)
    return engine


def differences(engine: Engine, metadata: MetaData) -> list[object]:
    tables = set(metadata.tables)

    def of_branch(_object: object, name: str | None, kind: str, _reflected: bool, _to: object) -> bool:
        return kind != "table" or name in tables

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": of_branch})
        return list(compare_metadata(context, metadata))


@pytest.mark.parametrize("metadata", [MAIN, SETTING], ids=["main", "setting"])
def test_each_branch_equals_its_tables(tmp_path: Path, metadata: MetaData) -> None:
    apart = {EnvironmentRow.__tablename__, ScheduleRow.__tablename__, SnapshotRow.__tablename__}
    assert apart <= MAIN.tables.keys(), "tables in a module of their own count when it is loaded"
    engine = opened(tmp_path)
    assert differences(engine, metadata) == []
    engine.dispose()


def test_the_named_heads_are_the_newest_revisions() -> None:
    names = {branch: sorted(p.stem for p in (HERE / branch).glob("*_0*.py")) for branch in ("main", "setting")}
    assert (names["main"][-1], names["setting"][-1]) == (MAIN_HEAD, SETTING_HEAD)
    assert set(names["main"] + names["setting"]) == KNOWN


def test_a_second_upgrade_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path).dispose()
    before = (tmp_path / "store.sqlite").read_bytes()
    opened(tmp_path).dispose()
    assert (tmp_path / "store.sqlite").read_bytes() == before


def test_a_sealed_home_does_not_get_the_setting_back(tmp_path: Path) -> None:
    engine = opened(tmp_path, sealed=True)
    assert "setting" not in inspect(engine).get_table_names()
    assert "service" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with engine.begin() as connection:
        connection.execute(text("insert into alembic_version values ('main_9999')"))
    with pytest.raises(BrokenError, match="newer rollout"):
        upgrade(engine, "store.sqlite")
    engine.dispose()
