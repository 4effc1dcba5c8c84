"""`rollout plan | show | explain | policy` as a person meets them."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.cli.main import main
from rollout.executor.ports import ControlKind
from rollout.model.fleet import Kind, Pin, RuntimeName, Tier
from rollout.operations.explain import REMEDIES
from rollout.operations.plan import Proposal
from rollout.store import blocks, pins, placements
from rollout.store.controls import Ask, Controls
from rollout.store.database import Database
from rollout.store.plans import StoredPlan
from rollout.store.services import ask_for_v2
from rollout.store.waves import Waves
from rollout.wiring import actor
from rollout.wiring.home import Home
from rollout.wiring.plan import Planning
from tests.store.running import placed, run, service

Cli = Callable[..., tuple[int, str, str]]
FAST = """
[[tier]]
name = "trial"
first = 1
size = 2
[[tier]]
name = "pro"
"""


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    yield opened
    opened.close()


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Database:
    """Three of trial and one of pro that can move; a pinned, a blocked and a cron one; one of a tier without rules."""
    (tmp_path / "fast.toml").write_text(FAST)
    run(
        database,
        [
            *(service(name) for name in ("a", "b", "c", "pinned", "blocked")),
            service("cron", kind=Kind.CRON, cron="0 * * * *"),
            service("api", tier=Tier.PRO, environment="live", customer="bob", port=8080),
            service("hobby", tier=Tier.HOBBY),
        ],
    )
    now = actor.now()
    pin = Pin(service="shop/pinned", reason="waits for driver", owner="ann", created=now, expires=now + timedelta(days=9))
    with database.writing() as session:
        pins.put(session, pin, who="ann", at=now)
        blocks.put(session, "shop/blocked", "5xx on v2", who="rollout", at=now)
    return database


def test_plan_tells_waves_who_is_left_out_and_the_last_line(fleet: Database, cli: Cli) -> None:
    code, out, _ = cli("plan", "--policy", "fast.toml")
    lines = [line.rstrip() for line in out.splitlines()]
    assert code == 0
    assert lines[0].split("  ")[0] == "wave"
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["wave-1", "trial", "1"],
        ["wave-2", "trial", "2"],
        ["wave-3", "pro", "1"],
    ]
    assert "  blocked: fell back or reverted (1): shop/blocked" in lines
    assert "  tier not in the policy (1): shop/hobby" in lines
    assert lines[-2:] == ["next: rollout execute wave-1", "Plan: 4 to move, 1 pinned, 3 excluded"]


def test_planning_again_changes_nothing(fleet: Database, cli: Cli) -> None:
    first = json.loads(cli("plan", "--policy", "fast.toml", "--json")[1])
    again = json.loads(cli("plan", "--policy", "fast.toml", "--json")[1])
    assert first["unchanged_since"] is None
    assert again["plan"] == first["plan"]
    assert again["unchanged_since"]
    lines = cli("plan", "--policy", "fast.toml")[1].splitlines()
    assert lines[-2].startswith("unchanged since ")
    assert cli("plan", "--policy", "fast.toml", "--detailed-exitcode")[0] == 10


def test_only_a_tier_or_a_service(fleet: Database, cli: Cli) -> None:
    told = json.loads(cli("plan", "--policy", "fast.toml", "--tier", "Pro", "--json")[1])
    assert [w["tier"] for w in told["plan"]["waves"]] == ["pro"]
    told = json.loads(cli("plan", "--policy", "fast.toml", "--service", "b", "--service", "shop/c", "--json")[1])
    assert [m["service"] for w in told["plan"]["waves"] for m in w["moves"]] == ["shop/b", "shop/c"]
    assert {e["reason"] for e in told["excluded"]} == {"not_asked"}


def test_nothing_to_move_is_said_and_nothing_is_stored(database: Database, cli: Cli) -> None:
    run(database, [service("a")], runtime=RuntimeName.V2)
    code, out, _ = cli("plan", "--detailed-exitcode")
    assert code == 0
    assert out.splitlines()[-2:] == ["Nothing to move: no plan was stored.", "Plan: 0 to move, 0 pinned, 1 excluded"]
    assert cli("show", "wave-1")[0] == 2


WRONG = {
    ("plan", "--tier", "trail"): "the policy default has no tier trail; did you mean trial?",
    ("plan", "--service", "apy"): "no service apy; did you mean api?",
    ("plan", "--policy", "defualt"): "no policy defualt; did you mean default?",
    ("plan", "--policy", "none.toml"): "cannot read the policy none.toml",
    ("plan", "--policy", "bad.toml"): "bad.toml:2: tier.nam: unknown key; did you mean name?",
    ("plan", "--as-of", "yesterday"): "yesterday is not a time",
    ("show", "wave-99"): "there is no wave-99",
    ("show", "none.json"): "cannot read the plan none.json",
    ("show", "fast.toml"): "fast.toml is not a plan",
    ("explain", "ghost"): "no service ghost",
    ("policy", "use", "runtime-v3"): "no policy runtime-v3; did you mean runtime-v2?",
    ("policy", "show", "x/y.toml"): "cannot read the policy x/y.toml",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_bad_input_is_one_clear_error(fleet: Database, cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "bad.toml").write_text('[[tier]]\nnam = "trial"\n')
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {WRONG[words]}"), err
    assert "\nstate: " in err


def test_the_file_holds_the_same_plan_and_a_changed_one_is_refused(fleet: Database, cli: Cli, tmp_path: Path) -> None:
    told = json.loads(cli("plan", "--policy", "fast.toml", "--out", "plan.json", "--json")[1])
    file = tmp_path / "plan.json"
    assert json.loads(file.read_text()) == told["plan"]
    assert [p.name for p in tmp_path.iterdir() if "plan.json" in p.name] == ["plan.json"]
    code, out, _ = cli("show", "plan.json")
    assert code == 0
    assert out.splitlines()[-1] == "Plan: 4 to move, 1 pinned, 3 excluded"
    file.write_text(file.read_text().replace("shop/a", "shop/z"))
    code, _, err = cli("show", "plan.json")
    assert code == 5
    assert "its hash does not match" in err
    code, _, err = cli("plan", "--policy", "fast.toml", "--out", "none/plan.json")
    assert code == 1
    assert "cannot write none/plan.json" in err


def test_show_names_what_changed_since(fleet: Database, cli: Cli) -> None:
    plan = json.loads(cli("plan", "--policy", "fast.toml", "--json")[1])["plan"]
    with fleet.writing() as session:
        placements.put(session, [placed("shop/b", release=2)])
    run(fleet, [service("c", replicas=2)])
    out = cli("show", "wave-2")[1]
    assert out.splitlines()[0] == f"wave-2 of {plan['id']}: trial, 2 to move, planned"
    assert "  shop/b: release 1 was planned, now 2 runs" in out
    assert "  shop/c: its settings changed" in out
    shown = json.loads(cli("show", plan["id"], "--json")[1])
    assert shown["plan"] == plan
    assert set(shown["stale"]) == {"shop/b", "shop/c"}
    assert shown["states"] == {"wave-1": "planned", "wave-2": "planned", "wave-3": "planned"}
    assert [w["number"] for w in json.loads(cli("show", "wave-1", "--json")[1])["plan"]["waves"]] == [1]


def test_a_new_plan_takes_the_place_of_the_old_and_says_so(fleet: Database, cli: Cli) -> None:
    old = json.loads(cli("plan", "--policy", "fast.toml", "--json")[1])["plan"]
    Waves(fleet).begin(3, who="ann", why="", now=actor.now())
    run(fleet, [service("d")])
    out = cli("plan", "--policy", "fast.toml", "--tier", "trial")[1]
    assert f"takes the place of wave-1 of {old['id']}" in out
    assert f"takes the place of wave-2 of {old['id']}" in out
    states = json.loads(cli("show", old["id"], "--json")[1])["states"]
    assert states["wave-3"] == "running"
    assert states["wave-1"].startswith("superseded by plan-")


def test_an_approved_wave_is_not_displaced_without_a_word(fleet: Database, cli: Cli) -> None:
    cli("plan", "--policy", "fast.toml")
    Controls(fleet).write(Ask(kind=ControlKind.APPROVAL, subject="wave-1", actor="cy"), now=actor.now())
    run(fleet, [service("d")])
    code, out, err = cli("plan", "--policy", "fast.toml")
    assert (code, out) == (2, "")
    assert "This plan takes the place of wave-1 (approved by cy). Go on?" in err
    assert json.loads(cli("show", "wave-1", "--json")[1])["states"] == {"wave-1": "planned"}
    assert cli("plan", "--policy", "fast.toml", "--yes")[0] == 0


def explained(cli: Cli, name: str) -> tuple[dict[str, object], str]:
    return json.loads(cli("explain", name, "--json")[1])["explanation"], cli("explain", name)[1]


def test_explain_tells_why_there(fleet: Database, cli: Cli) -> None:
    found, _ = explained(cli, "a")
    assert (found["waits_for"], found["reason"], found["planned"]) == ("a plan", None, None)
    assert found["remedies"] == [{"who": "whoever runs the rollout", "command": "rollout plan --service shop/a"}]
    with fleet.writing() as session:
        ask_for_v2(session, "live/api", True)
    cli("policy", "use", "fast.toml")
    cli("plan")
    found, text = explained(cli, "api")
    assert found["planned"]["wave"] == "wave-1"
    assert found["planned"]["strategy"] == "recreate"
    assert found["waits_for"] == "wave-1 to begin"
    assert "ahead of its tier: its owner asked for v2" in text
    assert "two copies cannot share its fixed port" in text
    assert "whoever runs the rollout: rollout execute wave-1" in text
    run(fleet, [service("a", replicas=3)])
    found, text = explained(cli, "a")
    assert found["planned"]["stale"] == "its settings changed"
    assert found["waits_for"] == "a new plan"
    assert "stale" in text


def test_explain_tells_what_stands_against_the_wave(fleet: Database, cli: Cli) -> None:
    cli("policy", "use", "fast.toml")
    cli("plan")
    found, text = explained(cli, "api")
    assert found["planned"]["wave"] == "wave-3"
    assert str(found["waits_for"]).removeprefix("wave-3 to begin: ").split("; ") == [
        f"{wave} of the same plan comes first and is planned" for wave in ("wave-1", "wave-2")
    ]
    assert "whoever runs the rollout: rollout execute wave-1" in text
    assert "rollout execute wave-3" not in text


WHY_NOT = {
    "pinned": ("pinned", "waits for driver", "the end of the pin", "rollout unpin shop/pinned"),
    "blocked": ("blocked", "5xx on v2", "a repaired release, other health settings, or a retry", "rollout retry shop/blocked"),
    "cron": ("cron", "there is no cut-over", "a cut-over for cron services", ""),
    "hobby": ("tier_unknown", "the policy fast has no tier hobby", "a policy that names its tier", "rollout policy use FILE"),
}


@pytest.mark.parametrize("name", WHY_NOT)
def test_explain_tells_why_not_and_who_can_change_it(fleet: Database, cli: Cli, name: str) -> None:
    cli("policy", "use", "fast.toml")
    reason, detail, waits_for, command = WHY_NOT[name]
    found, text = explained(cli, name)
    assert (found["reason"], found["waits_for"]) == (reason, waits_for)
    assert detail in str(found["detail"])
    assert detail in text
    assert command in text


@pytest.mark.parametrize("command", sorted({command for each in REMEDIES.values() for _, command in each}))
def test_every_command_that_explain_names_exists(cli: Cli, command: str) -> None:
    words = [word for word in command.split()[1:] if word.islower() and word.isalpha()]
    code, told, _ = cli(*words, "--help")
    assert code == 0
    assert [word for word in command.split() if word.startswith("--") and word not in told] == []


def test_a_narrow_terminal_cuts_no_service_s_name(fleet: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"{letter * 20}-server" for letter in "kl"]
    run(fleet, [service(name, environment="production") for name in names])
    cli("plan", "--policy", "fast.toml")
    lines = [line.rstrip() for number in (1, 2, 3) for line in cli("show", f"wave-{number}")[1].splitlines()]
    assert [any(line.startswith(f"production/{name} ") for line in lines) for name in names] == [True, True]
    assert [line for line in lines if len(line) > 80] == []


def test_policies_are_listed_shown_and_put_in_force(fleet: Database, cli: Cli) -> None:
    listed = json.loads(cli("policy", "list", "--json")[1])["policies"]
    assert [(p["name"], p["active"]) for p in listed] == [("default", True), ("demo", False), ("runtime-v2", False)]
    code, out, err = cli("policy", "use", "runtime-v2")
    assert (code, out) == (0, "")
    assert err.startswith("policy runtime-v2 ")
    assert "deadline = 2024-07-31" in cli("policy", "show")[1]
    cli("policy", "use", "fast.toml")
    listed = json.loads(cli("policy", "list", "--json")[1])["policies"]
    idle = [("default", False), ("demo", False), ("runtime-v2", False)]
    assert [(p["name"], p["active"]) for p in listed] == [*idle, ("fast", True)]
    assert cli("policy", "show", "fast")[1] == FAST
    values = json.loads(cli("policy", "show", "fast.toml", "--json")[1])["policy"]["values"]
    assert values["steps"] == [1, 10, 50, 100]
    assert cli("policy", "list")[0] == 0


def test_policies_can_be_read_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROLLOUT_HOME", raising=False)
    assert "This file is its own manual" in cli("policy", "show")[1]
    assert cli("policy", "list")[0] == 0
    assert cli("plan")[0] == 2


def test_the_case_on_its_first_day(database: Database, cli: Cli) -> None:
    """DESIGN section 1: trial, hobby, pro, lastly enterprise, on the day of the flip."""
    run(database, [service(f"{tier}-{n}", tier=tier, customer=f"{tier}-c{n}") for tier in Tier for n in range(30)])
    told = json.loads(cli("plan", "--policy", "runtime-v2", "--as-of", "2024-06-04", "--json")[1])["plan"]
    assert told["created"] == "2024-06-04T00:00:00+00:00"
    assert told["policy"]["deadline"] == "2024-07-31"
    assert [(w["tier"], len(w["moves"])) for w in told["waves"]] == [
        ("trial", 10),
        ("trial", 20),
        ("hobby", 25),
        ("hobby", 5),
        ("pro", 10),
        ("pro", 20),
        ("enterprise", 1),
        ("enterprise", 20),
        ("enterprise", 9),
    ]
    out = cli("plan", "--policy", "runtime-v2", "--as-of", "2024-06-04")[1]
    assert "This plan has expired" in out


def approved_meanwhile(database: Database, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Somebody approves the wave between showing and storing, so many times with another word."""
    keep, kept = Planning.keep, list[int]()

    def late(planning: Planning, proposal: Proposal) -> StoredPlan:
        if len(kept) < times:
            kept.append(1)
            ask = Ask(kind=ControlKind.APPROVAL, subject="wave-1", actor=f"eve{len(kept)}", reason="", value=f"eve{len(kept)}")
            Controls(database).write(ask, now=actor.now())
        return keep(planning, proposal)

    monkeypatch.setattr(Planning, "keep", late)
    return kept


def test_a_wave_approved_while_the_plan_was_made_is_asked_for(
    database: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("fast.toml").write_text(FAST)
    run(database, [service("a"), service("b")])
    assert cli("plan", "--policy", "fast.toml", "--service", "a")[0] == 0
    kept = approved_meanwhile(database, monkeypatch, 1)
    code, out, err = cli("plan", "--policy", "fast.toml")
    assert (code, kept) == (2, [1])
    assert "since this plan was made, wave-1 is approved by eve1 now: planned again" in err
    assert "takes the place of wave-1 (approved by eve1)" in err
    assert out == ""
    code, out, err = cli("plan", "--policy", "fast.toml", "--yes")
    assert (code, "takes the place of wave-1" in out) == (0, True)


def test_planning_again_and_again_ends(database: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fast.toml").write_text(FAST)
    run(database, [service("a"), service("b")])
    assert cli("plan", "--policy", "fast.toml", "--service", "a")[0] == 0
    approved_meanwhile(database, monkeypatch, 99)
    code, _, err = cli("plan", "--policy", "fast.toml", "--yes")
    assert code == 5
    assert "error: since this plan was made, wave-1 is approved by eve1, eve2" in err
