"""The fast list says what the views say, service by service, field by field."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollout.model.fleet import EngineName, Kind, Origin, Pin, RuntimeName, Service, Setting, Tier
from rollout.operations import fleet as operations
from rollout.operations.fleet_json import documents
from rollout.store import blocks, pins, placements, setting
from rollout.store.services import Services, ask_for_v2
from rollout.store.tables import MoveRow
from rollout.wiring.home import Home
from tests.store.running import placed

NOW = datetime(2024, 6, 4, tzinfo=UTC)
PLAIN = Service(name="plain", environment="shop", customer='a"b\\cmé\n', tier=Tier.HOBBY)
FULL = Service(
    name="full",
    environment="shop",
    customer="acme",
    tier=Tier.PRO,
    kind=Kind.WORKER,
    command=("run", 'say "hi"'),
    env={"B": "s3cret", "A": "t0ken"},
    port=8080,
    volumes=("/data",),
    draining_s=2.5,
    labels={"team": "x"},
    engine=EngineName.DOCKER,
)
FLEET = [PLAIN, FULL, replace(PLAIN, name="both", customer="acme"), replace(PLAIN, name="here", environment="other")]


def stored(home: Path) -> Services:
    fleet = Services(Home(home).database(), lambda content: str(len(content)), lambda: NOW)
    fleet.put(FLEET, who="ann")
    with fleet.database.writing() as session:
        placements.put(session, [placed("shop/both", RuntimeName.V2), placed("shop/both"), placed("shop/full")])
        pin = Pin(service="shop/full", reason='waits "long"', owner="ann", created=NOW, expires=NOW + timedelta(days=1))
        pins.put(session, pin, who="ann", at=NOW)
        blocks.put(session, "shop/plain", "5xx on v2", who="rollout", at=NOW)
        ask_for_v2(session, "shop/both", True)
        setting.put(session, "shop/both", Setting(runtime=RuntimeName.V2, origin=Origin.OWNER), who="ann", at=NOW)
        session.add(MoveRow(id="wave-3/shop/both", service="shop/both", wave=3, state="baking", live=1, seq=1, body={}))
    return fleet


def test_each_document_is_the_view_s_data(home: Path) -> None:
    fleet = stored(home)
    assert [json.loads(text) for text in documents(fleet)] == [view.data() for view in operations.views(fleet)]
    with fleet.database.writing() as session:
        setting.write_off(session, who="ann", at=NOW)
    told = [json.loads(text) for text in documents(fleet)]
    assert told == [view.data() for view in operations.views(fleet)]
    assert {entry["setting"] for entry in told} == {None}
    fleet.database.close()


def test_no_value_of_env_is_told(home: Path) -> None:
    fleet = stored(home)
    told = "".join(documents(fleet))
    assert '"env":["A","B"]' in told
    assert "s3cret" not in told
    assert "t0ken" not in told
    fleet.database.close()


def test_only_those_that_were_asked_for(home: Path) -> None:
    fleet = stored(home)

    def ids(**asked: object) -> list[str]:
        return [json.loads(text)["id"] for text in documents(fleet, **asked)]  # type: ignore[arg-type]

    assert ids() == ["other/here", "shop/both", "shop/full", "shop/plain"]
    assert ids(tiers=[Tier.PRO]) == ["shop/full"]
    assert ids(environment="other") == ["other/here"]
    assert ids(customer="acme", tiers=[Tier.PRO, Tier.HOBBY]) == ["shop/both", "shop/full"]
    fleet.database.close()
