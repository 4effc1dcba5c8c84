"""What is stored of environments, and what the host part is told."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.cli.main import main
from rollout.errors import BrokenError, UsageError
from rollout.host.rooms import Room, Rooms
from rollout.operations import environment
from rollout.operations.environment import Egress, Line, Place
from rollout.store import audit
from rollout.store.database import Database
from rollout.wiring import able, part, seen
from rollout.wiring import environment as wiring
from rollout.wiring.actor import now
from rollout.wiring.home import Home


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with Home(home).opened() as opened:
        yield opened


def add(*names: str) -> None:
    for name in names:
        with pytest.raises(SystemExit) as end:
            main(["service", "add", name, "--tier", "trial", "--customer", "acme", "--engine", "memory", "--command", "run"])
        assert not end.value.code


def put(database: Database, name: str, wish: Egress) -> bool:
    with database.writing() as session:
        return environment.set_egress(session, name, wish, who="ann", now=now())


def lines(database: Database, **places: Place) -> list[Line]:
    with database.reading() as session:
        return list(environment.lines(session, places))


def test_none_one_and_many(database: Database) -> None:
    assert lines(database) == []
    add("zoo/api", *(f"e{number}/api" for number in range(30)), "e7/web")
    assert put(database, "e7", Egress.OPEN)
    found = lines(database, e7=Place(prefix="fd00:1:2:7::/64", room=True))
    assert [line.name for line in found] == sorted([*(f"e{number}" for number in range(30)), "zoo"])
    assert [line for line in found if line.egress is Egress.OPEN] == [
        Line(name="e7", services=2, egress=Egress.OPEN, prefix="fd00:1:2:7::/64", room=True)
    ]


def test_it_is_written_once_with_its_audit(database: Database) -> None:
    add("shop/api")
    assert [put(database, "shop", wish) for wish in (Egress.CLOSED, Egress.OPEN, Egress.OPEN, Egress.CLOSED)] == [
        False,
        True,
        False,
        True,
    ]
    with database.reading() as session:
        rows = [(row.who, row.before, row.after) for row in audit.read(session, subject="shop") if row.what == "egress"]
        audit.verify(session)
    assert rows == [("ann", {"egress": False}, {"egress": True}), ("ann", {"egress": True}, {"egress": False})]


def test_an_open_one_is_listed_and_can_be_closed_without_services(database: Database, home: Path) -> None:
    add("shop/api")
    put(database, "shop", Egress.OPEN)
    with pytest.raises(SystemExit):
        main(["service", "remove", "shop/api", "--yes"])
    assert [(line.name, line.services) for line in lines(database)] == [("shop", 0)]
    assert put(database, "shop", Egress.CLOSED)
    assert lines(database) == []
    assert home.is_dir()


@pytest.mark.parametrize(("name", "meant"), [("shp", "did you mean shop"), ("é\n", "'\\xe9\\n'$"), ("", "''$")])
def test_an_unknown_one_is_one_clear_error(database: Database, name: str, meant: str) -> None:
    add("shop/api")
    with pytest.raises(UsageError, match=meant.replace("\\", "\\\\")) as said:
        put(database, name, Egress.OPEN)
    assert said.value.then == "rollout environment list"


def test_the_private_network_is_told_with_and_without_its_room(database: Database, home: Path) -> None:
    add("shop/api", "bank/api")
    kept = home / "host/mesh/environments"
    kept.mkdir(parents=True)
    for name in ("shop", "bank"):
        (kept / name).write_text(json.dumps({"name": name, "prefix": f"fd00::{name == 'shop':x}:0:0:0:0/64"}))
    (kept / "torn").write_text("{")
    Rooms(home / "host/rooms").write(Room(environment="shop", path=str(home), prefix="fd00:0:0:9::/64", dns="fd00:0:0:9::53"))
    assert [(line.name, line.prefix, line.room) for line in wiring.lines()] == [
        ("bank", "fd00::0:0:0:0:0/64", False),
        ("shop", "fd00:0:0:9::/64", True),
    ]


class HostPart:
    """Takes note of what it is told."""

    def __init__(self, _home: Home) -> None:
        self.told = told

    def set_egress(self, environment: str, *, egress: bool) -> None:
        if environment == "bank":
            raise BrokenError("nft is not installed")
        self.told.append((environment, egress))


told: list[tuple[str, bool]] = []


@pytest.fixture
def host_part(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    told.clear()

    def here(*, runs: bool, lacking: Any = (), closed_by: Mapping[str, str] | None = None) -> None:
        monkeypatch.setattr(wiring, "closed_by", lambda _: closed_by or {})
        monkeypatch.setattr(part, "client", HostPart)
        monkeypatch.setattr(seen, "running", lambda _: runs)
        monkeypatch.setattr(able, "lacking", lambda: iter(lacking))

    return here


def test_the_host_part_is_told_also_of_what_was_so_before(database: Database, host_part: Callable[..., None]) -> None:
    add("shop/api")
    host_part(runs=True)
    assert wiring.set_egress("shop", Egress.OPEN) == wiring.Became(changed=True, told=True)
    assert wiring.set_egress("shop", Egress.OPEN) == wiring.Became(changed=False, told=True)
    host_part(runs=False)
    assert wiring.set_egress("shop", Egress.CLOSED) == wiring.Became(changed=True, told=False)
    host_part(runs=True, lacking=[("no nft", "apt-get install nftables")])
    assert wiring.set_egress("shop", Egress.OPEN) == wiring.Became(changed=True, told=False, lacking="no nft")
    assert told == [("shop", True), ("shop", True)]
    assert lines(database)[0].egress is Egress.OPEN


def test_what_the_host_part_cannot_do_is_stored_and_said(database: Database, host_part: Callable[..., None]) -> None:
    add("bank/api")
    host_part(runs=True)
    with pytest.raises(BrokenError, match="nft is not installed") as said:
        wiring.set_egress("bank", Egress.OPEN)
    assert said.value.state == "egress of bank is stored as open; what runs is as it was"
    assert lines(database)[0].egress is Egress.OPEN


def test_a_firewall_that_closes_it_is_said_with_what_lets_it_through(
    database: Database, host_part: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    add("shop/api")
    host_part(runs=True, closed_by={"chain A": "iptables -I X"})
    for wish, said in (
        (
            "open",
            "but the chain A of this host drops it; what lets it through, and nothing else: iptables -I X",
        ),
        ("closed", "instances reach each other and nobody else"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["environment", "set", "shop", "--egress", wish])
        assert ended.value.code == 0
        assert capsys.readouterr().err.replace("\n", " ").strip().endswith(said)
