"""The fleet in the store: bulk upsert, names that people type, secrets, audit, settings, pins, blocks."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from rollout.errors import BrokenError, UsageError
from rollout.model.fleet import EngineName, Kind, Origin, Pin, RestartPolicy, RuntimeName, Service, Setting, Tier
from rollout.store import audit, blocks, counters, pins, setting
from rollout.store.database import Database, connect
from rollout.store.migrate import upgrade
from rollout.store.services import Services, differing
from rollout.store.spec import from_spec, to_spec

NOW = datetime(2024, 6, 4, 12, tzinfo=UTC)
V2 = Setting(runtime=RuntimeName.V2, origin=Origin.OWNER)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    engine = connect(path)
    upgrade(engine, str(path))
    engine.dispose()
    return path


@pytest.fixture
def database(empty: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "store.sqlite"
    path.write_bytes(empty.read_bytes())
    database = Database(connect(path), str(path))
    yield database
    database.close()


def keyed(content: bytes) -> str:
    return hmac.new(b"key", content, hashlib.sha256).hexdigest()


@pytest.fixture
def services(database: Database) -> Services:
    return Services(database, keyed, lambda: NOW)


def service(name: str = "api", environment: str = "shop", **given: object) -> Service:
    values: dict[str, object] = {"customer": "acme", "tier": Tier.TRIAL, "command": ("run", "$PORT"), **given}
    return Service(name=name, environment=environment, **values)  # type: ignore[arg-type]  # a test's shorthand


FULL = service(
    kind=Kind.TCP,
    command="exec run",
    image="img@sha256:1",
    directory="/srv",
    env={"TOKEN": "s3cret", "EMPTY": ""},
    env_file=".env",
    port=8080,
    health_path="/health",
    health_timeout_s=5.5,
    replicas=3,
    volumes=("data:/data",),
    region="us-west2",
    restart=RestartPolicy.ALWAYS,
    restart_max=7,
    draining_s=1.0,
    cron="* * * * *",
    labels={"team": "a"},
    engine=EngineName.DOCKER,
    memory_mb=512,
    cpus=0.5,
    pids_max=200,
    read_only=True,
    stop_signal="SIGINT",
)


@pytest.mark.parametrize("one", [FULL, service(command=None)])
def test_a_service_comes_back_as_it_was_put(services: Services, one: Service) -> None:
    services.put([one], who="ann")
    assert services.get("shop/api") == one
    assert from_spec(to_spec(one), one.env) == one


def test_putting_again_changes_nothing_and_a_change_is_named_without_values(services: Services) -> None:
    first = services.put([FULL, service("web")], who="ann")
    again = services.put([FULL, service("web")], who="ann")
    changed = services.put([replace(FULL, replicas=4, env={"TOKEN": "other"}), service("web")], who="ann")
    assert [c.after.id for c in first.added] == ["shop/api", "shop/web"]
    assert (again.added, again.changed, again.unchanged) == ((), (), ("shop/api", "shop/web"))
    assert changed.changed[0].fields == ("replicas", "env.EMPTY", "env.TOKEN")
    assert services.get("shop/api") == replace(FULL, replicas=4, env={"TOKEN": "other"})
    with services.database.reading() as session:
        assert counters.current(session, counters.FLEET_REVISION) == 2
        assert [row.what for row in audit.read(session)] == ["add", "add", "set"]


def test_no_value_of_env_stands_anywhere_but_in_the_env_column(services: Services, database: Database) -> None:
    services.put([FULL], who="ann")
    services.put([replace(FULL, env={"TOKEN": "s3cret-2"})], who="ann")
    with database.writing() as session:
        services.remove(session, "shop/api", who="ann")
    with database.reading() as session:
        told = [str(row.model_dump()) for row in audit.read(session)]
        assert len(told) == 3
    assert not [line for line in told if "s3cret" in line]
    assert services.settings_hash(FULL) != services.settings_hash(replace(FULL, env={}))


def test_a_name_is_found_alone_or_with_its_environment(services: Services) -> None:
    services.put([service(), service("web"), service("web", "test")], who="ann")
    assert services.find("api").id == services.find("shop/api").id == "shop/api"
    assert services.find("test/web").environment == "test"
    with pytest.raises(UsageError, match="shop/web, test/web"):
        services.find("web")
    with pytest.raises(UsageError, match="did you mean api"):
        services.find("apii")
    with pytest.raises(UsageError, match="did you mean shop/api"):
        services.find("shop/apii")


def test_an_empty_fleet_says_so(services: Services) -> None:
    with pytest.raises(UsageError, match="the fleet is empty"):
        services.find("api")


def test_the_list_is_filtered(services: Services) -> None:
    fleet = [service("a", tier=Tier.PRO), service("b", "test"), service("c", customer="bob")]
    services.put(fleet, who="ann")
    assert [s.name for s in services.list()] == ["a", "c", "b"]
    assert [s.name for s in services.list(tiers=[Tier.PRO])] == ["a"]
    assert [s.name for s in services.list(environment="test")] == ["b"]
    assert [s.name for s in services.list(customer="bob", environment="shop")] == ["c"]


def test_removing_takes_all_that_hangs_on_it(services: Services, database: Database) -> None:
    services.put([service()], who="ann")
    pin = Pin(service="shop/api", reason="x", owner="ann", created=NOW)
    with database.writing() as session:
        setting.put(session, "shop/api", V2, who="ann", at=NOW)
        pins.put(session, pin, who="ann", at=NOW)
        blocks.put(session, "shop/api", "5xx", who="ann", at=NOW)
        assert services.remove(session, "shop/api", who="ann")
        assert not services.remove(session, "shop/api", who="ann")
    with database.reading() as session:
        assert setting.get(session, "shop/api") == Setting()
        assert pins.get(session, "shop/api") is None
        assert blocks.get(session, "shop/api") is None
        assert setting.every(session) == pins.every(session) == blocks.every(session) == {}


def test_secrets_are_those_of_the_service_and_of_its_releases(services: Services, database: Database) -> None:
    services.put([FULL], who="ann")
    with database.writing() as session:
        statement = "INSERT INTO release VALUES ('shop/api', 1, '', '', '{}', '{\"TOKEN\": \"older\"}', '', '')"
        session.execute(text(statement))
    assert services.secrets(["shop/api"]) == {"s3cret", "older"}


def test_a_block_holds_until_release_or_health_settings_change(services: Services, database: Database) -> None:
    services.put([FULL], who="ann")
    with database.writing() as session:
        blocks.put(session, "shop/api", "5xx", who="wave-1", at=NOW)
    for harmless in (replace(FULL, labels={}), replace(FULL, replicas=9), FULL):
        services.put([harmless], who="ann")
        with database.reading() as session:
            held = blocks.get(session, "shop/api")
            assert held is not None
            assert held.reason == "5xx"
            assert list(blocks.every(session)) == ["shop/api"]
    services.put([replace(FULL, env={"TOKEN": "good"})], who="ann")
    with database.writing() as session:
        assert blocks.get(session, "shop/api") is None
        assert blocks.every(session) == {}
        assert blocks.remove(session, "shop/api", who="ann", at=NOW)
        assert not blocks.remove(session, "shop/api", who="ann", at=NOW)


def test_a_pin_is_put_once_and_changes_are_told(services: Services, database: Database) -> None:
    services.put([service()], who="ann")
    first = Pin(service="shop/api", reason="x", owner="ann", created=NOW, expires=NOW + timedelta(days=90))
    later = replace(first, created=NOW + timedelta(days=1), expires=NOW + timedelta(days=91))
    with database.writing() as session:
        assert pins.put(session, first, who="ann", at=NOW)
        assert not pins.put(session, first, who="bob", at=NOW + timedelta(days=1))
        assert pins.put(session, first, who="ann", at=NOW + timedelta(days=90)), "an expired pin is put anew"
        assert pins.put(session, later, who="ann", at=NOW + timedelta(days=1))
        assert pins.every(session) == {"shop/api": later}
        assert pins.remove(session, "shop/api", who="ann", at=NOW)
        assert not pins.remove(session, "shop/api", who="ann", at=NOW)


def test_the_setting_has_an_origin_and_changes_once(services: Services, database: Database) -> None:
    services.put([service()], who="ann")
    with database.writing() as session:
        assert setting.get(session, "shop/api") == Setting()
        assert setting.put(session, "shop/api", V2, who="ann", at=NOW)
        assert not setting.put(session, "shop/api", V2, who="ann", at=NOW)
        assert setting.every(session) == {"shop/api": V2}
        assert counters.current(session, counters.FLEET_REVISION) == 2


def test_once_written_off_every_service_is_on_v2_and_no_choice_is_left(services: Services, database: Database) -> None:
    services.put([service()], who="ann")
    with database.writing() as session:
        setting.write_off(session, who="ann", at=NOW)
        setting.write_off(session, who="ann", at=NOW)
        assert setting.written_off(session)
        assert setting.get(session, "shop/api").runtime is RuntimeName.V2
        with pytest.raises(UsageError, match="written off"):
            setting.put(session, "shop/api", Setting(), who="ann", at=NOW)


def test_the_audit_shows_any_change_of_what_was_written(services: Services, database: Database) -> None:
    services.put([service(), service("web")], who="ann", why="start")
    with database.reading() as session:
        assert audit.verify(session) == 2
    for spoil in ("UPDATE audit SET who = 'bob' WHERE seq = 1", "DELETE FROM audit WHERE seq = 1"):
        with database.writing() as session:
            session.execute(text(spoil))
            with pytest.raises(BrokenError, match="the audit was changed: row"):
                audit.verify(session)


def test_numbers_of_a_sequence_are_given_once(database: Database) -> None:
    with database.writing() as session:
        assert [counters.next(session, "wave"), counters.next(session, "wave"), counters.next(session, "other")] == [1, 2, 1]
    with database.reading() as session:
        assert counters.current(session, "wave") == 2
        assert counters.current(session, "unknown") == 0


def test_what_differs_is_named_and_never_told() -> None:
    assert differing(FULL, replace(FULL, env={"TOKEN": "x", "EMPTY": ""}, port=None)) == ("port", "env.TOKEN")
