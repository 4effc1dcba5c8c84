"""Manifests on their whole way: imported or refused with a true reason, deployed in memory, planned, shown, explained, rehearsed.

Over manifests of our own, one for each oddity; and over the 158 real ones where their folder is.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout.cli.explain import told
from rollout.cli.main import main
from rollout.wiring.plan import opened

REAL = Path(os.environ.get("ROLLOUT_REAL_MANIFESTS", Path(__file__).resolve().parents[3] / "shared" / "manifests"))
TIERS = ("trial", "hobby", "pro", "enterprise")
Refused = dict[str, tuple[int, str]]
"""File → line and reason."""

OWN = {
    "plain/railway.json": '{"$schema": "https://railway.app/railway.schema.json", "deploy": {"startCommand": "run"}}',
    "commas/railway.json": '{ // mine\n"deploy": {"startCommand": "run", "preDeployCommand": ["migrate",],},\n}',
    "bom/railway.json": '\ufeff{"deploy": {\r\n\t"startCommand": "run", "healthcheckPath": "up"}}\r\n',
    "crlf/railway.toml": '[deploy]\r\nstartCommand = "run"\r\nhealthcheckTimeout = 100',
    "regions/railway.json": '{"deploy": {"startCommand": "run", "multiRegionConfig": {"eu": {"numReplicas": 2}, "us": {}}}}',
    "other/any.toml": '[build]\nbuilder = "X"\n[deploy]\nstartCommand = "run"\nunheard = 1\n',
    "staged/railway.json": '{"environments": {"production": {"deploy": {"startCommand": "run"}}}}',
    "many/railway.one.json": '{"deploy": {"startCommand": "run"}}',
    "many/railway.two.json": '{"deploy": {"startCommand": "run"}}',
    "empty/railway.json": '{"build": {"builder": "NIXPACKS"}}',
    "clock/railway.toml": '[deploy]\nstartCommand = "run"\ncronSchedule = "0 * * * *"\n',
    "wants/railway.json": '{"deploy": {"startCommand": "run", "runtime": "V2"}}',
    "stays/railway.toml": '[deploy]\nstartCommand = "run"\nruntime = "Legacy"\n',
    "bad1/railway.json": '{"deploy": {\n"numReplicas": 1,\n"numReplicas": 2}}',
    "bad2/railway.toml": '[deploy]\nstartCommand = "a"\nstartCommand = "b"\n',
    "bad3/railway.toml": '[deploy]\nstartCommand = "a"\n[build]\n[deploy]\n',
    "bad4/railway.json": '{"deploy": {"startCommand": "run"',
    "bad5/railway.json": '{"deploy": {\n"numReplicas": "two"}}',
    "bad6/railway.toml": '[deploy]\nruntime = "v3"\n',
    "plain/package.json": '{"name": "plain"}',
    "README.md": "hello",
}
OWN_REFUSED = {
    "bad1/railway.json": (3, "duplicate key 'numReplicas', first on line 2"),
    "bad2/railway.toml": (3, "duplicate key 'startCommand', first on line 2"),
    "bad3/railway.toml": (4, "duplicate table 'deploy', first on line 1"),
    "bad4/railway.json": (1, "expected , or }; the file ends"),
    "bad5/railway.json": (2, "deploy.numReplicas: must be a whole number, not a string"),
    "bad6/railway.toml": (2, "deploy.runtime: 'v3' is none of legacy, v2"),
}
REAL_REFUSED = {
    "json/006.json": (12, "duplicate key 'numReplicas', first on line 11"),
    "toml/019.toml": (30, "duplicate key 'OPENCLAW_PREFER_PNPM', first on line 19"),
    "toml/066.toml": (30, "duplicate table 'railway', first on line 3"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A folder, what of it is refused, and how many services are planned, pinned, and left out for each reason."""

    folder: Path
    refused: Refused
    to_move: int
    left_out: dict[str, int]


class Rollout:
    """The command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ending:
            main(list(words))
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ending.value.code or 0), out, err

    def json(self, *words: str, code: int = 0) -> dict[str, object]:
        found, out, err = self(*words, "--json")
        assert found == code, err
        document: dict[str, object] = json.loads(out)
        return document


@pytest.fixture
def rollout(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    monkeypatch.setenv("ROLLOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROLLOUT_ENGINE", "memory")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return Rollout(capsys)


def own(folder: Path) -> Case:
    for name, text in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return Case(folder=folder, refused=OWN_REFUSED, to_move=9, left_out={"no_command": 1, "cron": 1, "on_v2": 1, "pinned": 1})


def real(_: Path) -> Case:
    left_out = {"no_command": 33, "cron": 14, "on_v2": 18, "pinned": 1}
    return Case(folder=REAL, refused=REAL_REFUSED, to_move=88, left_out=left_out)


CASES: list[Callable[[Path], Case]] = [own, *([real] if REAL.is_dir() else [])]


def mapping(folder: Path, to: Path) -> Path:
    """All tiers, seven customers and three environments, so that there are waves of every kind."""
    lines = ["file,environment,customer,tier"]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines += [f"{path},{'env' if at % 3 else 'production'},customer-{at % 7},{TIERS[at % 4]}" for at, path in enumerate(files)]
    to.write_text("\n".join(lines) + "\n")
    return to


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_whole_path(make: Callable[[Path], Case], rollout: Rollout, tmp_path: Path) -> None:
    case = make(tmp_path / "repo")
    words = ["service", "import", "--map", str(mapping(case.folder, tmp_path / "map.csv")), str(case.folder)]
    total = case.to_move + sum(case.left_out.values())
    imports_what_is_good(rollout, words, case, total)
    deploys_what_has_something_to_run(rollout, case, total)
    plan = plans_each_service_once(rollout, case)
    places = shows_every_wave(rollout, plan)
    explains_every_service(rollout, plan, places)
    rehearses_every_wave(rollout, plan, places)


def imports_what_is_good(rollout: Rollout, words: list[str], case: Case, total: int) -> None:
    home = Path(os.environ["ROLLOUT_HOME"])
    refused = rollout.json(*words, code=2)
    assert refused["written"] is False
    problems = refused["problems"]
    assert isinstance(problems, list)
    found = {str(Path(one["file"]).relative_to(case.folder)): (one["line"], one["reason"]) for one in problems}
    assert found == case.refused
    assert rollout(*words, "--keep-going", "--dry-run")[1].splitlines()[-1].startswith(f"{total} added, 0 changed, 0 unchanged (")
    assert not home.exists()
    code, out, err = rollout(*words, "--keep-going")
    assert (code, out.splitlines()[-1]) == (3, f"{total} added, 0 changed, 0 unchanged")
    for file, (line, reason) in case.refused.items():
        assert f"left out: {case.folder}/{file}:{line}: {reason}" in err.splitlines()
    assert rollout(*words, "--keep-going")[:2] == (3, f"0 added, 0 changed, {total} unchanged\n")


def deploys_what_has_something_to_run(rollout: Rollout, case: Case, total: int) -> None:
    listed = rollout.json("service", "list")["services"]
    assert isinstance(listed, list)
    idle = {one["id"] for one in listed if one["kind"] == "cron" or not (one["command"] or one["image"])}
    code, out, _ = rollout("service", "deploy", "--all")
    lines = out.splitlines()
    assert (code, lines[-1]) == (0, f"{total - len(idle)} deployed, 0 failed, {len(idle)} left out")
    assert {line.partition(": ")[0] for line in lines if ": left out: " in line} == idle


def plans_each_service_once(rollout: Rollout, case: Case) -> dict[str, object]:
    made = rollout.json("plan")
    plan = made["plan"]
    assert isinstance(plan, dict)
    moves = [move["service"] for wave in plan["waves"] for move in wave["moves"]]
    excluded = {one["service"]: one["reason"] for one in plan["excluded"]}
    counts = {reason: list(excluded.values()).count(reason) for reason in excluded.values()}
    assert (len(moves), counts) == (case.to_move, case.left_out)
    listed = rollout.json("service", "list")["services"]
    assert isinstance(listed, list)
    assert sorted([*moves, *excluded]) == sorted(one["id"] for one in listed)
    tiers = [wave["tier"] for wave in plan["waves"]]
    assert tiers == sorted(tiers, key=TIERS.index)
    rest = len(excluded) - case.left_out["pinned"]
    assert (
        rollout("plan")[1].splitlines()[-1] == f"Plan: {case.to_move} to move, {case.left_out['pinned']} pinned, {rest} excluded"
    )
    return plan


def shows_every_wave(rollout: Rollout, plan: dict[str, object]) -> dict[str, str]:
    """Service → its wave."""
    shown = rollout("show", str(plan["id"]))[1]
    places: dict[str, str] = {}
    waves = plan["waves"]
    assert isinstance(waves, list)
    for wave in waves:
        name = f"wave-{wave['number']}"
        assert any(line.split()[:2] == [name, wave["tier"]] for line in shown.splitlines()), shown
        table = rollout("show", name)[1].splitlines()
        assert table[0] == f"{name} of {plan['id']}: {wave['tier']}, {len(wave['moves'])} to move, planned"
        services = [move["service"] for move in wave["moves"]]
        assert [line.split()[0] for line in table[2 : 2 + len(services)]] == services
        places |= dict.fromkeys(services, name)
    return places


def explains_every_service(rollout: Rollout, plan: dict[str, object], places: dict[str, str]) -> None:
    """Each is explained; the command itself is called once for each answer, which it prints as it stands."""
    excluded = plan["excluded"]
    assert isinstance(excluded, list)
    answers = {service: ("plan", f"{plan['id']}, {wave} (planned)") for service, wave in places.items()}
    for one in excluded:
        reason, detail = one["reason"].replace("_", " "), one["detail"].removeprefix("pinned ")
        answers[one["service"]] = ("why not", f"{reason}: {detail}")
    printed: set[str] = set()
    with opened() as home:
        for service, answer in answers.items():
            lines = told(home.explain(service))
            assert answer in lines
            if answer[1] not in printed:
                printed.add(answer[1])
                code, out, _ = rollout("explain", service)
                assert (code, len(out.splitlines())) == (0, len(lines))
                assert all(value in out for _, value in lines)


def rehearses_every_wave(rollout: Rollout, plan: dict[str, object], places: dict[str, str]) -> None:
    before = standing(rollout)
    first = next(iter(places.values()))
    code, alone, _ = rollout("execute", first, "--dry-run")
    assert code == 0
    code, whole, said = rollout("execute", str(plan["id"]), "--dry-run")
    assert code == 0
    warm = [line.split("  ")[0].split()[-1] for line in whole.splitlines() if line.endswith("baking → warm")]
    assert sorted(warm) == sorted(places)
    assert len([line for line in alone.splitlines() if line.endswith("baking → warm")]) == list(places.values()).count(first)
    assert "comes first" not in said
    assert standing(rollout) == before


def standing(rollout: Rollout) -> dict[str, object]:
    status = rollout.json("status")["status"]
    assert isinstance(status, dict)
    return {key: value for key, value in status.items() if key != "at"}
