"""Bad input through the command line: one clear error in three parts, the fitting exit code, a store that did not change."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.badness import Said, called, dump, rollout
from tests.scenarios.transcript import HERE

LONG = "a" * 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three services on legacy and a plan with one wave."""
    home = tmp_path_factory.mktemp("made") / ".rollout"
    home.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLOUT_HOME", str(home))
        for name in ("shop/api", "prod/api", "shop/webfront"):
            called("service", "add", name, "--tier", "trial", "--customer", name, "--engine", "memory", "--command", "run")
            assert called("service", "deploy", name).code == 0
        assert called("policy", "use", str(HERE / "quick.toml")).code == 0
        assert called("plan").code == 0
    return home


@pytest.fixture
def fleet(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That home. Whatever a test asks for, the store does not change."""
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copytree(made, home, dirs_exist_ok=True)
    before = dump(home)
    yield home
    assert dump(home) == before


NAMES: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("explain", "nothing-like-it"), ("no service nothing-like-it", "rollout service list")),
    (("explain", "webfornt"), ("no service webfornt; did you mean webfront?",)),
    (("service", "show", "shop/webfornt"), ("did you mean shop/webfront?",)),
    (("service", "deploy", "webfornt"), ("did you mean webfront?",)),
    (("service", "stop", "webfornt", "--yes"), ("did you mean webfront?",)),
    (("service", "set", "webfornt", "--tier", "pro"), ("did you mean webfront?",)),
    (("service", "remove", "webfornt", "--yes"), ("did you mean webfront?",)),
    (("service", "logs", "webfornt"), ("did you mean webfront?",)),
    (("plan", "--service", "webfornt"), ("did you mean webfront?",)),
    (("revert", "webfornt"), ("did you mean webfront?",)),
    (("fail", "webfornt"), ("did you mean webfront?",)),
    (("retry", "webfornt"), ("did you mean webfront?",)),
    (("approve", "webfornt", "--reason", "x"), ("did you mean webfront?",)),
    (("log", "webfornt"), ("did you mean webfront?",)),
    (("revert", "api"), ("several services are named api: prod/api, shop/api", "e.g. prod/api")),
    (("service", "set", "api", "--tier", "pro"), ("prod/api, shop/api",)),
    (("plan", "--service", "api"), ("prod/api, shop/api",)),
    (("explain", "überdienst"), ("no service überdienst",)),
    (("explain", ""), ("no service with an empty name",)),
    (("show", ""), ("plan with an empty name",)),
    (("execute", ""), ("plan with an empty name",)),
    (("pause", ""), ("an empty text is not the name of a wave",)),
    (("resume", ""), ("an empty text is not the name of a wave",)),
    (("status", ""), ("an empty text is not the name of a wave",)),
    (("explain", LONG * 40), ("no service",)),
    (("execute", "wave-99"), ("there is no wave-99", "rollout status")),
    (("execute", "wave-0"), ()),
    (("execute", "wave-99999999999999999999999"), ()),
    (("execute", "plan-nope"), ("plan-nope",)),
    (("status", "wave-99"), ("there is no wave-99",)),
    (("show", "wave-99"), ("wave-99",)),
    (("show", "plan-nope"), ("plan-nope",)),
    (("abort", "shop/api"), ("is not the name of a wave",)),
    (("pause", "wave-99"), ("wave-99",)),
    (("store", "unlock", "77"), ("there is no lease 77",)),
    (("store", "unlock", "99999999999999999999999"), ()),
    (("store", "unlock", "seven"), ("ID",)),
    (("no-such-command",), ("no-such-command", "rollout --help")),
    (("plan", "--tire", "trial"), ("--tire", "rollout plan --help")),
    (("execute",), ("WAVE|PLAN", "rollout execute --help")),
]


@pytest.mark.parametrize(("words", "wanted"), NAMES, ids=lambda value: " ".join(value)[:40] if value else "-")
def test_unknown_and_ambiguous_names(fleet: Path, words: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    called(*words).refused(2, *wanted)


VALUES: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("plan", "--tier", "gold"), ("no tier gold", "trial, hobby, enterprise")),
    (("plan", "--tier", "trail"), ("did you mean trial?",)),
    (("service", "add", "x", "--tier", "gold", "--", "run"), ("gold", "'trial', 'hobby', 'pro', 'enterprise'")),
    (("service", "set", "shop/api", "--tier", "gold"), ("gold",)),
    (("plan", "--as-of", "yesterday"), ("yesterday is not a time",)),
    (("plan", "--as-of", "0001-01-01T00:00+23:59"), ()),
    (("plan", "--as-of", "9999-12-31"), ("too far away",)),
    (("plan", "--as-of", ""), ("an empty text is not a time",)),
    (("plan", "--tier", ""), ("no tier with an empty name",)),
    (("plan", "--policy", ""), ("no policy with an empty name",)),
    (("log", "--since", ""), ("an empty text is not a span",)),
    (("service", "set", "shop/api", "--restart-max", "9" * 20), ("restart_max", "1000000")),
    (("service", "set", "shop/api", "--health-timeout", "1e300"), ("health_timeout_s",)),
    (("service", "set", "shop/api", "--draining", "1e300"), ("draining_s",)),
    (("service", "deploy", "shop/api", "--release", "9" * 20), ("--release", "1000000000")),
    (("log", "--since", "soon"), ()),
    (("log", "--since", "99999999999999d"), ()),
    (("service", "add", LONG, "--tier", "trial", "--", "run"), ("not a DNS label", "at most 63")),
    (("service", "add", f"{LONG}/x", "--tier", "trial", "--", "run"), ("not a DNS label",)),
    (("service", "add", "Über", "--tier", "trial", "--", "run"), ("not a DNS label",)),
    (("service", "add", "a b", "--tier", "trial", "--", "run"), ("not a DNS label",)),
    (("service", "add", "../../x", "--tier", "trial", "--", "run"), ()),
    (("service", "add", "", "--tier", "trial", "--", "run"), ()),
    (("service", "add", "x", "--", "run"), ("its tier is not known",)),
    (("service", "add", "x", "--tier", "trial", "--port", "99999", "--", "run"), ("99999",)),
    (("service", "add", "x", "--tier", "trial", "--port", "-1", "--", "run"), ()),
    (("service", "add", "x", "--tier", "trial", "--replicas", "-3", "--", "run"), ()),
    (("service", "add", "x", "--tier", "trial", "--replicas", "many", "--", "run"), ("--replicas", "integer")),
    (("service", "add", "x", "--tier", "trial", "--health-timeout", "nan", "--", "run"), ()),
    (("service", "add", "x", "--tier", "trial", "--draining", "inf", "--", "run"), ()),
    (("service", "add", "x", "--tier", "trial", "--env", "NOEQUALS", "--", "run"), ("NOEQUALS",)),
    (("service", "add", "x", "--tier", "trial", "--env-file", "/no/such/file", "--", "run"), ("/no/such/file",)),
    (("service", "add", "x", "--tier", "trial", "--command", "a\0b"), ()),
    (("service", "add", "x", "--tier", "trial", "--env", "A=a\0b", "--", "run"), ()),
    (("service", "import", "/no/such/folder"), ("/no/such/folder",)),
    (("execute", "wave-1", "--wait", "--detach"), ("exclude each other",)),
    (("approve", "wave-1"), ("a reason",)),
    (("service", "deploy", "shop/api", "--release", "7"), ("7",)),
    (("policy", "use", "nope"), ("no policy nope; known:",)),
    (("policy", "use", "/no/such.toml"), ("/no/such.toml",)),
    (("policy", "show", "/"), ("/",)),
]


@pytest.mark.parametrize(("words", "wanted"), VALUES, ids=lambda value: " ".join(value)[:60].replace("\0", "0") if value else "-")
def test_values_that_do_not_fit(fleet: Path, words: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    called(*words).refused(2, *wanted)


QUICK = (HERE / "quick.toml").read_text()
POLICIES: list[tuple[bytes, tuple[str, ...]]] = [
    (QUICK.replace("steps = [50, 100]", "steps = [50, 100").encode(), ("is not TOML", "line")),
    (b'name = "x\n', ("is not TOML", "line 1")),
    (QUICK.replace("keep_warm", "keep_wram").encode(), ("bad.toml:10: ", "keep_wram: unknown key; did you mean keep_warm?")),
    (QUICK.replace("total = 1", 'total = "many"').encode(), ("concurrency.total", "many")),
    (QUICK.replace("total = 1", "total = -1").encode(), ("concurrency.total", "-1")),
    (QUICK.replace("budget = 1", "budget = -5").encode(), ("budget", "-5")),
    (QUICK.replace("steps = [50, 100]", "steps = [50, 10]").encode(), ("steps",)),
    (QUICK.replace("steps = [50, 100]", "steps = [50, 101]").encode(), ("steps",)),
    (QUICK.replace("steps = [50, 100]", "steps = []").encode(), ("steps",)),
    (QUICK.replace('name = "trial"', 'name = "gold"').encode(), ("gold",)),
    (QUICK.replace('name = "hobby"', 'name = "trial"').encode(), ("trial",)),
    (b"\xff\xfe\x00garbage", ("is not UTF-8 text",)),
    (b"", ()),
    (b"tier = 7\n", ("tier",)),
    (b'name = "x"\n[waves]\nenvironments = 5\n', ("environments",)),
]


@pytest.mark.parametrize(("text", "wanted"), POLICIES, ids=range(len(POLICIES)))
def test_malformed_policies(fleet: Path, tmp_path: Path, text: bytes, wanted: tuple[str, ...]) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(text)
    for words in (("plan", "--policy", str(path)), ("policy", "use", str(path)), ("policy", "show", str(path))):
        called(*words).refused(2, "bad.toml", *wanted)


def test_a_plan_file_that_was_changed(fleet: Path, tmp_path: Path) -> None:
    store = (fleet / "store.sqlite").read_bytes()
    path = tmp_path / "plan.json"
    assert called("plan", "--out", str(path)).code == 0
    assert called("show", str(path)).code == 0
    changed = json.loads(path.read_text())
    changed["fleet_revision"] = 999
    path.write_text(json.dumps(changed))
    called("show", str(path)).refused(5, "hash")
    path.write_text(path.read_text()[:100])
    assert called("show", str(path)).refused(called("show", str(path)).code).code in {2, 5}
    path.write_bytes(b"\x00\xff")
    assert called("show", str(path)).refused(called("show", str(path)).code).code in {2, 5}
    (fleet / "store.sqlite").write_bytes(store)


def test_an_empty_fleet(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "Plan: 0 to move" in called("plan").out
    assert "0 on legacy, 0 on v2" in called("status").out
    called("execute", "wave-1").refused(2, "there is no wave-1")
    called("explain", "api").refused(2, "the fleet is empty")
    called("service", "show", "api").refused(2)
    assert called("service", "list").code == 0
    assert called("log").code == 0


def test_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("ROLLOUT_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    for words in (("plan",), ("status",), ("execute", "wave-1"), ("revert", "x", "--without-store"), ("down", "--yes")):
        called(*words).refused(2, "no .rollout/ in", "rollout demo")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".rollout").write_text("mine")
    monkeypatch.setenv("ROLLOUT_HOME", str(tmp_path / ".rollout"))
    called("status").refused(2, "is not a folder")
    called("service", "add", "x", "--tier", "trial", "--", "run").refused(1, "there is a file of that name", "ROLLOUT_HOME")
    monkeypatch.delenv("ROLLOUT_HOME")
    called("up").refused(1, "there is a file of that name")
    assert (tmp_path / ".rollout").read_text() == "mine"


def garbage(store: Path) -> None:
    store.write_bytes(os.urandom(40_000))


def half(store: Path) -> None:
    store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])


def a_page(store: Path) -> None:
    content = bytearray(store.read_bytes())
    for at in range(4096, len(content), 4096):
        content[at : at + 512] = os.urandom(512)
    store.write_bytes(bytes(content))


def emptied(store: Path) -> None:
    store.write_bytes(b"")


def folder(store: Path) -> None:
    store.unlink()
    store.mkdir()


def newer(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("update alembic_version set version_num = 'main_0999' where version_num like 'main%'")


@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (garbage, "damaged"),
        (half, "damaged"),
        (a_page, "damaged"),
        (emptied, "is empty"),
        (Path.unlink, "is gone"),
        (folder, "cannot be used"),
        (newer, "written by a newer rollout (schema main_0999)"),
    ],
)
def test_a_store_that_cannot_be_read(fleet: Path, harm: Callable[[Path], None], wanted: str) -> None:
    store = fleet / "store.sqlite"
    content = store.read_bytes()
    harm(store)
    harmed = store.read_bytes() if store.is_file() else b""
    add = ("service", "add", "x", "--tier", "trial", "--engine", "memory", "--", "run")
    words = [("status",), ("plan",), ("execute", "wave-1"), ("service", "list"), add, ("service", "deploy", "shop/api")]
    for one in [*words, ("scheduler", "--once"), ("revert", "shop/api"), ("log",), ("pause",), ("policy", "list")]:
        called(*one).refused(1, str(store), wanted)
    assert (store.read_bytes() if store.is_file() else b"") == harmed
    if store.is_dir():
        store.rmdir()
    store.write_bytes(content)


def test_words_that_are_not_text(fleet: Path) -> None:
    rollout("explain", b"\xff\xfe").refused(2, "is not UTF-8 text", "encoding of your terminal")


SHELLS = {
    "a reader that leaves": ('"$@" | head -c 1 >/dev/null', {0}),
    "stdout is closed": ('"$@" >&-', {0}),
    "stderr is closed": ('"$@" 2>&-', {0}),
    "all are closed": ('"$@" <&- >&- 2>&-', {0}),
}


@pytest.mark.parametrize(("shell", "codes"), SHELLS.values(), ids=SHELLS)
def test_streams_that_nobody_reads(fleet: Path, shell: str, codes: set[int]) -> None:
    for words in (("status",), ("service", "list", "--json")):
        said = rollout(*words, shell=shell)
        assert said.err == ""
        assert said.code in codes


def test_a_wave_goes_on_when_nobody_reads_what_is_told(made: Path, home: Path) -> None:
    shutil.copytree(made, home, dirs_exist_ok=True)
    for words in (("execute", "wave-1"), ("execute", "wave-2", "--json")):
        said = rollout(*words, shell='"$@" | true')
        assert "rror" not in said.err
    assert "3 on v2" in called("status").out


def test_a_port_that_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        called("service", "add", "shop/api", "--tier", "trial", "--port", port, "--", "python3", "-m", "http.server", port)
        try:
            said = called("service", "deploy", "shop/api")
            error = Said(said.code, said.out, said.err.partition("rollout down ends it\n")[2])
            error.refused(1, f"port {port} is in use by pid {os.getpid()}", "nothing was stopped or started", "--port N")
            assert "0 on legacy, 0 on v2" in called("status").out
        finally:
            assert called("down", "--yes").code == 0


def test_an_output_that_has_no_room(fleet: Path) -> None:
    for words in (("status",), ("service", "list", "--json"), ("--help",)):
        rollout(*words, shell='"$@" >/dev/full').refused(1, "No space left on device")


def test_the_folder_that_it_is_called_in_is_gone(fleet: Path, tmp_path: Path) -> None:
    for words, known in ((("status",), {"ROLLOUT_HOME": None}), (("service", "add", "x", "--tier", "trial", "--", "run"), {})):
        gone = tmp_path / "gone"
        gone.mkdir()
        rollout(*words, cwd=gone, env=known, shell='rmdir "$PWD"; "$@"').refused(1, "is gone", "cd to another one")
    assert rollout("status", cwd=tmp_path, shell=f'mkdir {gone}; cd {gone}; rmdir {gone}; "$@"').code == 0


def test_an_error_that_nobody_foresaw_keeps_its_trace_for_the_report(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr("rollout.cli.log.Board", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = called("log").refused(1, "unexpected ZeroDivisionError: nobody thought of it", "please report it with")
    [kept] = tmp_path.glob("rollout-error-*.txt")
    assert str(kept) in said.err
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_no_home_folder_of_the_user_and_a_folder_that_cannot_be_written(fleet: Path, tmp_path: Path) -> None:
    place = tmp_path / "read-only"
    place.mkdir()
    place.chmod(0o555)
    said = rollout("status", env={"HOME": None, "LOGNAME": None, "USER": None, "PATH": None}, cwd=place)
    assert (said.code, said.err) == (0, "")
    assert Said(0, said.out, "").out.startswith(f"home {fleet}")
