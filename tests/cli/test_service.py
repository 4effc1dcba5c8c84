"""`rollout service` as people type it: output, exit codes, errors in three parts, and never a value of env."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from rollout.cli.main import main
from rollout.cli.service_options import command_of
from rollout.errors import UsageError

HERE = Path(__file__).resolve()
REAL = Path(os.environ.get("ROLLOUT_REAL_MANIFESTS", HERE.parents[3] / "shared" / "manifests"))
SECRET = "s3cret-value-of-env"


class Shell:
    """Runs commands in this process; keeps all that they wrote, to search it for secrets."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.all = ""
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        with pytest.raises(SystemExit) as ending:
            main(["service", *words])
        self.out, self.err = self.capsys.readouterr()
        self.all += self.out + self.err
        assert isinstance(ending.value.code, int)
        return ending.value.code

    def json(self, *words: str) -> dict[str, object]:
        assert self(*words, "--json") == 0, self.err
        document: dict[str, object] = json.loads(self.out)
        assert document["format_version"] == 1
        return document


@pytest.fixture
def service(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("ROLLOUT_HOME", raising=False)
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


def test_the_shortest_form_makes_a_home_and_a_service(service: Shell, tmp_path: Path) -> None:
    assert service("list") == 2
    assert "no .rollout/ in" in service.err
    assert not (tmp_path / ".rollout").exists()
    assert service("add", "hello", "--tier", "trial", "--", "python3", "-m", "http.server", "$PORT") == 0
    assert "rollout service deploy production/hello" in service.err
    assert (tmp_path / ".rollout").stat().st_mode & 0o777 == 0o700
    shown = service.json("show", "hello")
    assert (shown["id"], shown["customer"], shown["directory"]) == ("production/hello", "ann", str(tmp_path))
    assert shown["command"] == 'exec "python3" "-m" "http.server" "$PORT"'
    assert shown["setting"] == {"runtime": "legacy", "origin": "default"}
    assert service("add", "hello", "--tier", "trial", "--", "python3", "-m", "http.server", "$PORT") == 0
    assert "nothing changed" in service.err


ALL = """--environment shop --customer acme --tier PRO --kind http --command run --image img --env A=1 --env-file my.env
--port 8080 --health-path /h --health-timeout 5 --replicas 2
--volume data:/data:ro --region eu --restart never --restart-max 1 --draining 1.5
--memory 1.5g --cpus 0.5 --pids 200 --read-only --stop-signal int
--label team=x --engine docker --runtime legacy"""


def test_every_option_is_kept_and_only_names_of_env_are_told(service: Shell, tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text(f"B={SECRET}\n")
    assert service("add", "api", *ALL.split(), "--directory", str(tmp_path), "--env", f"TOKEN={SECRET}") == 0
    shown = service.json("show", "shop/api")
    wanted = {
        "id": "shop/api", "customer": "acme", "tier": "pro", "kind": "http", "command": "run", "image": "img", "port": 8080,
        "env": ["A", "TOKEN"], "env_file": str(tmp_path / "my.env"), "health_path": "/h", "health_timeout_s": 5.0, "replicas": 2,
        "volumes": ["data:/data:ro"], "region": "eu", "restart": "never", "restart_max": 1, "draining_s": 1.5,
        "labels": {"team": "x"}, "engine": "docker", "cron": None, "pin": None,
        "memory_mb": 1536, "cpus": 0.5, "pids_max": 200, "read_only": True, "stop_signal": "SIGINT",
    }  # fmt: skip
    assert {key: shown[key] for key in wanted} == wanted
    assert service("show", "api") == 0
    assert re.search(r"env +A, TOKEN\n", service.out)
    assert re.search(r"stop signal +SIGINT\nlimits +memory 1536m, 0.5 processors, 200 processes, read-only\n", service.out)
    assert service("set", "api", "--env", f"MORE={SECRET}", "--unset", "env.A", "--unset", "health-path", "--label", "b=2") == 0
    assert service.err == "shop/api: health_path, labels, env.A, env.MORE changed\n"
    changed = service.json("show", "api")
    assert (changed["env"], changed["labels"], changed["health_path"]) == (["MORE", "TOKEN"], {"team": "x", "b": "2"}, None)
    assert service("set", "api", "--env", SECRET) == 2
    assert service("list") == 0
    assert service("import", str(tmp_path)) == 2
    assert service("remove", "api", "--yes") == 0
    assert SECRET not in service.all.replace(f"--env {SECRET}", "")


def test_limits_are_taken_away_one_by_one(service: Shell) -> None:
    assert service("add", "api", "--tier", "pro", "--image", "img", "--memory", "512m", "--pids", "9", "--read-only") == 0
    assert service("set", "api", "--unset", "memory", "--unset", "pids", "--no-read-only", "--stop-signal", "3") == 0
    shown = service.json("show", "api")
    assert [shown[key] for key in ("memory_mb", "pids_max", "read_only", "stop_signal")] == [None, None, False, "SIGQUIT"]
    assert service("set", "api", "--unset", "stop-signal") == 0
    service("show", "api")
    assert "limits" not in service.out
    assert "stop signal" not in service.out


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--memory", "12x", "'12x' is no amount of memory such as 512m or 1g"),
        ("--memory", "-1g", "'-1g' is no amount of memory"),
        ("--memory", "0", "'0' is less than 6m"),
        ("--memory", "512", "'512' is less than 6m, with which nothing starts; did you mean 512m?"),
        ("--memory", "999999t", "memory_mb 1048574951424 is not from 6 to 16777216 MiB"),
        ("--cpus", "many", "'many' is no number of processors such as 0.5 or 2"),
        ("--cpus", "0", "cpus 0.0 is not from 0.01 to 4096 processors"),
        ("--cpus", "nan", "'nan' is no number of processors"),
        ("--pids", "0", "pids_max 0 is not from 1 to 4194304"),
        ("--pids", "-3", "pids_max -3 is not from 1"),
        ("--stop-signal", "SIGNONE", "'SIGNONE' is no signal such as SIGTERM"),
        ("--stop-signal", "SIGRTMIN+99", "is no signal"),
        ("--stop-signal", "0", "is no signal"),
    ],
)
def test_a_limit_that_is_none_is_one_clear_error(service: Shell, option: str, value: str, told: str) -> None:
    assert service("add", "api", "--tier", "pro", "--image", "img", f"{option}={value}") == 2
    assert told in " ".join(service.err.split())


def test_a_pin_needs_its_reason_and_is_shown(service: Shell) -> None:
    service("add", "api", "--tier", "pro", "--command", "run")
    assert service("set", "api", "--runtime", "legacy") == 2
    assert "add --reason" in service.err
    assert service("set", "api", "--runtime", "legacy", "--reason", "slow disk") == 0
    service("show", "api")
    assert re.search(r"pinned     by ann until \S+: slow disk", service.out)
    assert service("set", "api", "--runtime", "v2") == 0
    service("show", "api")
    assert "asks for   the next wave" in service.out
    assert "pinned" not in service.out


def test_a_list_in_a_pipe_has_tabs_and_filters(service: Shell) -> None:
    service("add", "api", "--tier", "pro", "--customer", "acme", "--command", "run")
    service("add", "shop/web", "--tier", "trial", "--customer", "bob")
    assert service.err == "shop/web added; next: rollout service set shop/web --command …\n"
    assert service("list") == 0
    assert service.out.splitlines() == [
        "service\tcustomer\ttier\tkind\tsetting\truns on\tstate",
        "production/api\tacme\tpro\thttp\tlegacy (default)\t-\t-",
        "shop/web\tbob\ttrial\thttp\tlegacy (default)\t-\tno command",
    ]
    for words in (["--tier", "trial"], ["--environment", "shop"], ["--customer", "bob"]):
        services = service.json("list", *words)["services"]
        assert isinstance(services, list)
        assert [one["id"] for one in services] == ["shop/web"]
    assert service("list", "--customer", "nobody") == 0
    assert "no services that fit" in service.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "api"], "api: its tier is not known"),
        (["add", "api", "--tier", "gold"], "'gold' is not one of"),
        (["add", "Api", "--tier", "pro"], "'Api' is not a DNS label"),
        (["add", "shop/api", "--tier", "pro", "--environment", "test"], "shop/api is in shop, --environment says test"),
        (["add", "api", "--tier", "pro", "--port", "http"], "--port http: neither env nor a number"),
        (["add", "api", "--tier", "pro", "--env", "A"], "--env A: expected NAME=VALUE"),
        (["add", "api", "--tier", "pro", "--env-file", "none"], "env file none: cannot be read"),
        (["add", "api", "--tier", "pro", "--command", "a", "--", "b"], "--command and words after -- both"),
        (["add", "api", "--tier", "pro", "--kind", "cron"], "a cron service needs a schedule"),
        (["show", "\udcff"], "'\\udcff' is not UTF-8 text"),
        (["show", "wbe"], "no service wbe; did you mean web?"),
        (["show", "web/x"], "no service web/x"),
        (["set", "web"], "nothing to set of production/web"),
        (["set", "web", "--unset", "size"], "--unset size: there is no such field"),
        (["set", "web", "--unset", "env.X"], "production/web has no env.X"),
        (["remove", "web"], "there is no terminal to answer this: Remove"),
        (["import", "nowhere"], "left out: nowhere: cannot be read: No such file or directory"),
        (["import", "."], "no fleet file and no manifest in ."),
        (["import", ".", "--map", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_clear_error_and_changes_nothing(service: Shell, words: list[str], told: str) -> None:
    service("add", "web", "--tier", "pro", "--command", "run")
    assert service(*words) == 2
    assert told in " ".join(service.err.split())
    services = service.json("list")["services"]
    assert isinstance(services, list)
    assert [one["id"] for one in services] == ["production/web"]


def test_an_ambiguous_name_exits_2_with_the_candidates(service: Shell) -> None:
    service("add", "a/web", "--tier", "pro")
    service("add", "b/web", "--tier", "pro")
    assert service("show", "web") == 2
    assert "several services are named web: a/web, b/web" in service.err


def test_a_cron_service_becomes_http_again_without_its_schedule(service: Shell) -> None:
    service("add", "job", "--tier", "pro", "--cron", "*/5 * * * *", "--command", "run")
    assert service.json("show", "job")["kind"] == "cron"
    assert service("set", "job", "--unset", "cron") == 0
    assert service.json("show", "job")["kind"] == "http"


def manifests(folder: Path) -> None:
    for name, text in {
        "good/railway.json": '{"build": {"builder": "X"}, "deploy": {"startCommand": "run", "preDeployCommand": "migrate"}}',
        "bad/railway.json": '{"deploy": {\n"numReplicas": 1,\n"numReplicas": 2}}',
        "old/railway.toml": '[deploy]\nstartCommand = "run"\nruntime = "LEGACY"\n',
        "README.md": "hello",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def test_one_bad_file_imports_nothing_unless_kept_going(service: Shell, tmp_path: Path) -> None:
    manifests(tmp_path / "repo")
    assert service("import", "repo", "--tier", "pro") == 2
    assert "left out: repo/bad/railway.json:3: duplicate key 'numReplicas', first on line 2" in service.err
    assert "state: nothing was imported" in service.err
    assert not (tmp_path / ".rollout").exists()
    assert service("import", "repo", "--tier", "pro", "--keep-going", "--dry-run") == 3
    assert service.out == "+ production/good\n+ production/old\n2 added, 0 changed, 0 unchanged (nothing was written)\n"
    assert not (tmp_path / ".rollout").exists()
    assert service("import", "repo", "--tier", "pro", "--keep-going") == 3
    assert service.out.splitlines()[-1] == "2 added, 0 changed, 0 unchanged"
    assert "  build.builder  (repo/good/railway.json)" in service.err
    assert "  deploy.preDeployCommand  (repo/good/railway.json)" in service.err
    assert "passed over, not ours: 1 file (repo/README.md)" in service.err
    (tmp_path / "repo/bad/railway.json").unlink()
    again = service.json("import", "repo", "--tier", "pro")
    assert (again["added"], again["changed"], again["unchanged"]) == ([], {}, ["production/good", "production/old"])
    assert again["not_taken_over"] == {"repo/good/railway.json": ["build.builder"]}
    (tmp_path / "repo/good/railway.json").write_text('{"deploy": {"startCommand": "other"}}')
    assert service("import", "repo", "--tier", "pro", "--dry-run") == 0
    assert service.out == "~ production/good: command, labels\n0 added, 1 changed, 1 unchanged (nothing was written)\n"
    service("list")
    assert f"pinned: manifest {tmp_path}/repo/old/railway.toml" in service.out


def test_where_nothing_is_good_nothing_is_imported_and_no_home_is_made(service: Shell, tmp_path: Path) -> None:
    manifests(tmp_path / "repo")
    (tmp_path / "map.csv").write_text("file,tier\nnone/*,pro\n")
    assert service("import", "repo", "--keep-going", "--map", "map.csv") == 2
    assert f"no manifest fits the mapping's {tmp_path}/none/*" in service.err
    assert "3 of 3 could not be imported\nstate: nothing was imported\nnext:  correct them" in service.err
    assert not (tmp_path / ".rollout").exists()


def test_a_refused_import_says_so_in_json_too(service: Shell, tmp_path: Path) -> None:
    manifests(tmp_path / "repo")
    assert service("import", "repo", "--tier", "pro", "--json") == 2
    document = json.loads(service.out)
    reason = "duplicate key 'numReplicas', first on line 2"
    assert document["problems"] == [{"file": "repo/bad/railway.json", "line": 3, "reason": reason}]
    assert document["written"] is False


def test_real_manifests_import_and_the_second_time_change_nothing(service: Shell) -> None:
    """Where the folder of real manifests is; a clone alone has none and there is nothing to read."""
    files = [*REAL.glob("json/*.json"), *REAL.glob("toml/*.toml")]
    words = ["import", str(REAL), "--tier", "pro", "--customer", "acme", "--keep-going"]
    expected = "0 added, 0 changed, 154 unchanged\n"
    codes = [service(*words) for _ in range(2 if files else 0)]
    assert (codes, service.out) == (([3, 3], expected) if files else ([], ""))


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["printf", "%s,", "$PORT", "${HOST}x", "a b", "$(id)", "`id`", '"', "\\", "$", "$1", "'", "*", "~"], True),
        (["printf", "%s,", "a b", "$1", "$(id)"], False),
    ],
)
def test_words_reach_the_program_as_they_were_typed_with_variables_filled_in(words: list[str], printed: bool) -> None:
    command = command_of(None, words)
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    env = {"PATH": os.environ["PATH"], "PORT": "80", "HOST": "h"}
    ran = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    wanted = "".join(word.replace("$PORT", "80").replace("${HOST}", "h") + "," for word in words[2:])
    assert ran.stdout == wanted
    assert isinstance(command, str) is printed


def test_a_command_and_words_are_not_both() -> None:
    with pytest.raises(UsageError):
        command_of("a", ["b"])
