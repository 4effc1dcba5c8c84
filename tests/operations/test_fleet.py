"""What people ask of the fleet: add, edit, remove, choose a runtime, import; with the values that are shown."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.errors import RolloutError, StaleError, UsageError, WaitingError
from rollout.manifests.draft import Draft, Found
from rollout.manifests.scan import Scan
from rollout.model.fleet import Kind, Origin, Pin, Placement, RuntimeName, Service, Setting, Tier
from rollout.operations import fleet as operations
from rollout.operations import setting as choice
from rollout.operations.fleet_import import import_found
from rollout.operations.setting import Rules
from rollout.store import audit, blocks, counters, placements, setting
from rollout.store.database import Database, connect
from rollout.store.migrate import upgrade
from rollout.store.services import Services
from rollout.store.tables import MoveRow

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
FLIP = datetime(2024, 6, 4, tzinfo=UTC)
BEFORE = Rules(who="ann", now=NOW, v2_default_from=FLIP, pin_days=30)
AFTER = replace(BEFORE, now=FLIP)
API = Service(name="api", environment="shop", customer="acme", tier=Tier.TRIAL, command=("run",), env={"TOKEN": "s3cret"})
V2, LEGACY = RuntimeName.V2, RuntimeName.LEGACY


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    engine = connect(path)
    upgrade(engine, str(path))
    engine.dispose()
    return path.read_bytes()


@pytest.fixture
def fleet(empty: bytes, tmp_path: Path) -> Iterator[Services]:
    path = tmp_path / "store.sqlite"
    path.write_bytes(empty)
    database = Database(connect(path), str(path))
    yield Services(database, lambda content: hmac.new(b"key", content, hashlib.sha256).hexdigest(), lambda: NOW)
    database.close()


def standing(fleet: Services, name: str = "api") -> tuple[str, str, str | None, bool]:
    """Runtime, origin, reason of the pin, wish for v2."""
    view = operations.view(fleet, name)
    assert view.setting is not None
    return view.setting.runtime, view.setting.origin, view.pin.reason if view.pin else None, view.asked_for_v2


def revision(fleet: Services) -> int:
    with fleet.database.reading() as session:
        return counters.current(session, counters.FLEET_REVISION)


def test_adding_is_done_once(fleet: Services) -> None:
    assert operations.add(fleet, API, BEFORE)
    assert not operations.add(fleet, API, BEFORE)
    with pytest.raises(UsageError, match=r"shop/api is there already, with other replicas, env\.TOKEN"):
        operations.add(fleet, replace(API, replicas=2, env={}), BEFORE)
    assert revision(fleet) == 1


def test_a_service_that_breaks_rules_is_told_all_of_them(fleet: Services) -> None:
    with pytest.raises(UsageError, match=r"replicas 0 is not from 1 to 1000; health_path 'x' does not begin"):
        operations.add(fleet, replace(API, replicas=0, health_path="x"), BEFORE)


@pytest.mark.parametrize(
    ("rules", "asked", "reason", "expected"),
    [
        (BEFORE, None, "", (LEGACY, Origin.DEFAULT, None, False)),
        (BEFORE, LEGACY, "", (LEGACY, Origin.DEFAULT, None, False)),
        (BEFORE, V2, "", (V2, Origin.OWNER, None, True)),
        (AFTER, None, "", (V2, Origin.DEFAULT, None, False)),
        (AFTER, V2, "", (V2, Origin.DEFAULT, None, False)),
        (AFTER, LEGACY, "slow disk", (LEGACY, Origin.OWNER, "slow disk", False)),
        (replace(AFTER, v2_default_from=None), None, "", (LEGACY, Origin.DEFAULT, None, False)),
    ],
)
def test_a_new_service_has_the_setting_of_its_day(
    fleet: Services, rules: Rules, asked: RuntimeName | None, reason: str, expected: tuple[object, ...]
) -> None:
    operations.add(fleet, API, rules, runtime=asked, reason=reason)
    assert standing(fleet) == expected


def test_legacy_after_the_flip_needs_a_reason_and_without_it_nothing_is_added(fleet: Services) -> None:
    with pytest.raises(UsageError, match="a pin needs a reason"):
        operations.add(fleet, API, AFTER, runtime=LEGACY)
    assert operations.views(fleet) == []


def test_an_owner_s_choice_is_a_pin_or_a_wish_and_each_ends_the_other(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    assert operations.edit(fleet, "api", {}, BEFORE, runtime=LEGACY, reason="slow disk").chosen
    assert standing(fleet) == (LEGACY, Origin.OWNER, "slow disk", False)
    pin = operations.view(fleet, "api").pin
    assert pin == Pin(service="shop/api", reason="slow disk", owner="ann", created=NOW, expires=NOW + timedelta(days=30))
    assert not operations.edit(fleet, "api", {}, BEFORE, runtime=LEGACY, reason="slow disk").chosen
    assert operations.edit(fleet, "api", {}, BEFORE, runtime=V2).chosen
    assert standing(fleet) == (V2, Origin.OWNER, None, True)
    assert operations.edit(fleet, "api", {}, BEFORE, runtime=LEGACY, reason="no").chosen
    assert standing(fleet) == (LEGACY, Origin.OWNER, "no", False)
    with fleet.database.reading() as session:
        assert [row.what for row in audit.read(session)] == ["add", "setting", "pin", "unpin", "setting", "setting", "pin"]
        assert audit.verify(session) == 7


def test_a_choice_without_a_reason_for_legacy_changes_nothing(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    before = revision(fleet)
    with pytest.raises(UsageError, match="a pin needs a reason"):
        operations.edit(fleet, "api", {"replicas": 2}, BEFORE, runtime=LEGACY, reason=" ")
    assert operations.view(fleet, "api").service == API
    assert revision(fleet) == before


def test_once_written_off_no_choice_is_left_and_nothing_shows_one(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE, runtime=V2)
    with fleet.database.writing() as session:
        setting.write_off(session, who="ann", at=NOW)
    assert operations.view(fleet, "api").setting is None
    assert operations.view(fleet, "api").data()["setting"] is None
    assert operations.add(fleet, replace(API, name="web"), AFTER)
    for runtime in RuntimeName:
        with pytest.raises(UsageError, match="written off"):
            operations.edit(fleet, "api", {}, BEFORE, runtime=runtime, reason="x")
        with pytest.raises(UsageError, match="written off"):
            operations.add(fleet, replace(API, name="other"), BEFORE, runtime=runtime, reason="x")


def test_an_edit_says_what_changed(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    done = operations.edit(fleet, "api", {"replicas": 2, "env": {"TOKEN": "new"}}, BEFORE)
    assert (done.fields, done.chosen) == (("replicas", "env.TOKEN"), False)
    assert operations.edit(fleet, "api", {"replicas": 2}, BEFORE).fields == ()
    with pytest.raises(UsageError, match="port 0"):
        operations.edit(fleet, "api", {"port": 0}, BEFORE)


def test_a_view_tells_all_but_values_of_env(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    placed = Placement(service="shop/api", runtime=LEGACY, release=1, token="t", replicas=1, weight=100, since=NOW)
    with fleet.database.writing() as session:
        placements.put(session, [placed])
        blocks.put(session, "shop/api", "5xx", who="wave-1", at=NOW)
        session.add(MoveRow(id="wave-1/shop/api", service="shop/api", wave=1, state="baking", live=1, seq=1, body={}))
    data = operations.view(fleet, "api").data()
    assert "s3cret" not in str(data)
    assert (data["env"], data["runs_on"], data["moving"]) == (["TOKEN"], ["legacy"], "wave-1/shop/api")
    assert (data["block"]["reason"], data["id"], data["command"]) == ("5xx", "shop/api", ["run"])
    assert [view.service.id for view in operations.views(fleet, tiers=[Tier.TRIAL])] == ["shop/api"]
    assert operations.views(fleet, tiers=[Tier.PRO]) == []


@pytest.mark.parametrize(
    ("what", "error", "told"), [("place", StaleError, "runs on legacy"), ("move", WaitingError, "is moving")]
)
def test_what_runs_or_moves_is_not_removed(fleet: Services, what: str, error: type[RolloutError], told: str) -> None:
    operations.add(fleet, API, BEFORE)
    with fleet.database.writing() as session:
        if what == "place":
            placed = Placement(service="shop/api", runtime=LEGACY, release=1, token="t", replicas=1, weight=100, since=NOW)
            placements.put(session, [placed])
        else:
            session.add(MoveRow(id="wave-1/shop/api", service="shop/api", wave=1, state="baking", live=1, seq=1, body={}))
    with pytest.raises(error, match=told):
        operations.remove(fleet, API, who="ann")
    assert fleet.get("shop/api") == API


def test_what_stands_still_is_removed(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE, runtime=V2)
    operations.remove(fleet, fleet.find("api"), who="ann", why="old")
    assert operations.views(fleet) == []
    operations.add(fleet, API, BEFORE)
    assert standing(fleet) == (LEGACY, Origin.DEFAULT, None, False)


def found(*services: Service, runtime: RuntimeName | None = None, silent: tuple[str, ...] = ()) -> Scan:
    draft = Draft(file=Path("/x/railway.json"), runtime=runtime, silent=silent)
    return Scan(found=tuple(Found(service=one, draft=draft) for one in services), problems=(), passed_over=())


def test_the_same_import_again_changes_nothing(fleet: Services) -> None:
    scan = found(API, replace(API, name="web"), runtime=V2)
    first, at = import_found(fleet, scan, BEFORE), revision(fleet)
    again = import_found(fleet, scan, replace(BEFORE, now=NOW + timedelta(days=400)))
    assert (first.added, first.changed, first.unchanged) == (("shop/api", "shop/web"), {}, ())
    assert (again.added, again.changed, again.unchanged) == ((), {}, ("shop/api", "shop/web"))
    assert revision(fleet) == at


def test_a_dry_run_shows_the_same_and_writes_nothing(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    scan = found(replace(API, replicas=2), replace(API, name="web"), runtime=LEGACY)
    before = revision(fleet)
    shown = import_found(fleet, scan, BEFORE, write=False)
    assert (revision(fleet), operations.view(fleet, "api").service) == (before, API)
    done = import_found(fleet, scan, BEFORE)
    assert (shown.written, done.written) == (False, True)
    assert (shown.added, shown.changed) == (done.added, done.changed) == (("shop/web",), {"shop/api": ("replicas", "runtime")})


def test_what_a_manifest_cannot_tell_stays_as_it_is(fleet: Services) -> None:
    known = replace(API, image="img", labels={"team": "x", "railway.regions": "old"})
    operations.add(fleet, known, BEFORE)
    said = replace(API, env={}, replicas=3, labels={"railway.overlapSeconds": "1"})
    done = import_found(fleet, found(said, silent=("env", "image")), BEFORE)
    assert done.changed == {"shop/api": ("replicas", "labels")}
    wanted = replace(known, replicas=3, labels={"team": "x", "railway.overlapSeconds": "1"})
    assert operations.view(fleet, "api").service == wanted
    assert import_found(fleet, found(replace(said, kind=Kind.TCP)), BEFORE).changed["shop/api"][0] == "kind"
    assert operations.view(fleet, "api").service.env == {}


def test_legacy_in_a_manifest_is_a_pin_that_is_not_renewed(fleet: Services) -> None:
    scan = found(API, runtime=LEGACY)
    import_found(fleet, scan, AFTER)
    assert standing(fleet) == (LEGACY, Origin.OWNER, "manifest /x/railway.json", False)
    late = replace(AFTER, now=FLIP + timedelta(days=31))
    assert import_found(fleet, scan, late).changed == {}
    pin = operations.view(fleet, "api").pin
    assert pin is not None
    assert not pin.holds(late.now)


def test_v2_in_a_manifest_asks_once(fleet: Services) -> None:
    operations.add(fleet, API, BEFORE)
    scan = found(API, runtime=V2)
    assert import_found(fleet, scan, BEFORE).changed == {"shop/api": ("runtime",)}
    assert standing(fleet) == (V2, Origin.OWNER, None, True)
    with fleet.database.writing() as session:
        setting.put(session, "shop/api", Setting(runtime=V2, origin=Origin.ROLLOUT), who="rollout", at=NOW)
    assert import_found(fleet, scan, BEFORE).changed == {}


def test_after_the_end_of_the_setting_v2_in_a_manifest_is_harmless_and_legacy_an_error(fleet: Services) -> None:
    with fleet.database.writing() as session:
        setting.write_off(session, who="ann", at=NOW)
    assert import_found(fleet, found(API, runtime=V2), BEFORE).added == ("shop/api",)
    with pytest.raises(UsageError, match="written off"):
        import_found(fleet, found(replace(API, name="web"), runtime=LEGACY), BEFORE)
    assert len(operations.views(fleet)) == 1


def test_rules_know_the_day_of_the_flip() -> None:
    assert not BEFORE.flipped
    assert AFTER.flipped
    assert choice.V2_BY_DEFAULT.origin is Origin.DEFAULT
