"""The host part of a home for real: its own process, Envoy, DNS and programs, killed in every way."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from rollout.cli.main import main
from rollout.contract.engine import until
from rollout.contract.host_part import FENCE, LEGACY, NAME, SERVICE, V2
from rollout.errors import BrokenError, FencedError, HostGoneError, LockedError, UsageError
from rollout.host.keep import MARK
from rollout.host.lock import locked
from rollout.host.ports import Attached, Phase
from rollout.host.shim_state import ShimState, read
from rollout.host.upkeep import KeepingDesk
from rollout.model.fleet import RestartPolicy
from rollout.store.tables import LeaseRow
from rollout.wiring import actor, host, led_back, noted, part
from rollout.wiring.home import Home
from rollout.wiring.host_desk import keeper
from rollout.wiring.seen import folder
from tests.host.host_rigs import spec


def ours(home: Home) -> list[psutil.Process]:
    """Every process that belongs to the home: what is kept, and what keeps it."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK, "").startswith(str(home.path))
            if marked or any(part.startswith(str(home.path)) for part in process.cmdline()):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two looks
        return False


@pytest.fixture
def at(home: Path) -> Iterator[Home]:
    at = Home(home)
    yield at
    host.down(at)
    until(lambda: ours(at) == [])


def state(at: Home, name: str = "host-part") -> ShimState:
    found = read(keeper(at.path).folder / name) or read(folder(at.path) / "instances" / name)
    assert found is not None
    return found


def get(edge: str) -> int:
    return httpx.get(f"http://{edge}/", headers={"Host": NAME}, trust_env=False, timeout=5).status_code


def begin(at: Home, **more: object) -> str:
    """A service on both sides at 50 %; where the edge is."""
    client = host.host_part(at)
    for token, runtime in (("old", LEGACY), ("new", V2)):
        one = spec(token, runtime=runtime, **more)
        port = client.reserve(one, FENCE)
        client.start(one, FENCE)
        until(lambda token=token: client.listeners(f"{token}.0"))
        client.attach(f"{token}.0", port, "given PORT", FENCE)
    client.weigh(SERVICE, NAME, 50, FENCE)
    return client.hello()["edge"]


def seen(at: Home) -> dict[str, Attached]:
    return {one.id: one for one in host.host_part(at, start=False).instances()}


def test_a_command_that_needs_it_starts_it_and_says_so(at: Home) -> None:
    with pytest.raises(HostGoneError):
        host.host_part(at, start=False).hello()
    said: list[str] = []
    host.host_part(at, say=said.append)
    host.host_part(at, say=said.append)
    assert said == ["started the host part; rollout down ends it"]


def test_two_at_once_start_one(at: Home) -> None:
    found: list[str] = []
    racers = [threading.Thread(target=lambda: found.append(host.up(at, scheduler=False).edge)) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(found) == 2
    assert len(set(found)) == 1
    assert len([process for process in ours(at) if "host-part" in process.cmdline()]) == 1


def test_down_asks_and_without_a_terminal_stops_nothing(at: Home, capsys: pytest.CaptureFixture[str]) -> None:
    begin(at)
    with pytest.raises(SystemExit) as ended:
        main(["down"])
    assert ended.value.code == 2
    assert "add --yes" in capsys.readouterr().err
    assert {one.facts.phase for one in seen(at).values()} == {Phase.RUNNING}


def test_what_cannot_be_brought_back_keeps_nobody_from_working(at: Home, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    host.host_part(at).start(spec("t1", (str(program),), serves=False), FENCE)
    host.down(at)
    program.unlink()
    said: list[str] = []
    client = host.host_part(at, say=said.append)
    assert client.hello()
    assert f"cannot run {program}" in said[0]


def test_programs_get_what_was_promised(at: Home, tmp_path: Path) -> None:
    client = host.host_part(at)
    one = spec("t1", ("/bin/sh", "-c", "env"), env={"MINE": "a b", "PORT": "1"}, restart=RestartPolicy.NEVER)
    port = client.reserve(one, FENCE)
    client.start(one, FENCE)
    until(lambda: seen(at)["t1.0"].facts.phase is Phase.EXITED)
    told = dict(line.split("=", 1) for line in client.tail("t1.0", 99))
    place = client.hello()
    wanted = {"MINE": "a b", "PORT": str(port), "HOST": "127.0.0.1", "ROLLOUT_EDGE": place["edge"], "ROLLOUT_DNS": place["dns"]}
    assert {key: told.get(key) for key in wanted} == wanted
    assert told["ROLLOUT_INSTANCE"] == "t1.0"
    assert "ROLLOUT_HOME" not in told


def test_the_host_part_killed_is_back_by_itself_and_nobody_noticed(at: Home) -> None:
    edge = begin(at)
    before, old = seen(at), state(at)
    os.kill(old.pid, signal.SIGKILL)
    assert get(edge) == 200
    assert {one.facts.pid for one in seen(at).values()} == {one.facts.pid for one in before.values()}
    until(lambda: state(at).pid not in {0, old.pid})
    assert get(edge) == 200


def test_the_host_part_and_its_shim_killed_the_next_command_takes_the_instances_back(at: Home) -> None:
    edge = begin(at)
    before, old = seen(at), state(at)
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: not host.running(at))
    assert get(edge) == 200
    said: list[str] = []
    host.host_part(at, say=said.append)
    assert said == ["started the host part; rollout down ends it"]
    assert {one.facts.pid for one in seen(at).values()} == {one.facts.pid for one in before.values()}


def test_an_instance_whose_shim_is_killed_is_replaced_once(at: Home) -> None:
    edge = begin(at)
    old = state(at, "new.0")
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: (one := seen(at)["new.0"].facts).phase is Phase.RUNNING and one.pid != old.pid)
    mark = str(folder(at.path) / "instances" / "new.0")
    found = []
    for process in ours(at):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended since it was listed
            found += [process.pid] if process.environ().get(MARK) == mark else []
    assert found == [seen(at)["new.0"].facts.pid]
    until(lambda: {get(edge) for _ in range(20)} == {200})


def test_down_leaves_nothing_and_up_brings_all_back(at: Home, capsys: pytest.CaptureFixture[str]) -> None:
    edge = begin(at)
    with pytest.raises(SystemExit) as ended:
        main(["down", "--yes"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"{SERVICE}  2 instances" in out
    until(lambda: ours(at) == [])
    assert [path for path in at.path.rglob("*") if path.is_socket()] == []
    with pytest.raises(httpx.ConnectError):
        get(edge)
    with pytest.raises(SystemExit):
        main(["up", "--no-scheduler", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["began"], told["started"], told["edge"]) == (True, ["new.0", "old.0"], edge)
    until(lambda: {get(edge) for _ in range(20)} == {200})
    assert {one.address for one in seen(at).values()} == {f"127.0.0.1:{client_port(at, name)}" for name in ("old.0", "new.0")}


def client_port(at: Home, name: str) -> int:
    return host.host_part(at, start=False).reserve(spec(name.partition(".")[0]), FENCE)


def test_after_a_reboot_nothing_is_believed_alive_and_up_brings_back_what_should_run(at: Home) -> None:
    edge = begin(at, restart=RestartPolicy.NEVER)
    client = host.host_part(at)
    client.start(spec("gave-up", ("/bin/false",), restart=RestartPolicy.NEVER), FENCE)
    client.start(spec("stopped"), FENCE)
    client.stop("stopped.0", 1, FENCE)
    until(lambda: seen(at)["gave-up.0"].facts.phase is Phase.EXITED)

    def all_dead() -> bool:
        """One that is being started while the others are killed is found the next time."""
        for process in ours(at):
            if process.is_running():
                process.kill()
        return ours(at) == [] and not host.running(at)

    until(all_dead)
    (folder(at.path) / "services" / "boot").write_text("an earlier boot")
    done = host.up(at, scheduler=False)
    assert (done.began, done.started) == (True, ["gave-up.0", "new.0", "old.0"])
    until(lambda: {get(edge) for _ in range(20)} == {200})
    assert seen(at)["stopped.0"].facts.phase is Phase.GONE


def test_a_host_part_of_another_version_is_replaced_by_up_and_instances_stay(at: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(at)
    before, old = seen(at), host.host_part(at).hello()["version"]
    program = host.own

    def newer(where: Path, name: str) -> object:
        made = program(where, name)
        script = "import rollout.wiring.seen as d; d.own_version = lambda: '9'; from rollout.cli.main import main; main()"
        return replace(made, argv=(made.argv[0], "-c", script, name))

    monkeypatch.setattr(host, "own", newer)
    for asks in (host, part):
        monkeypatch.setattr(asks, "own_version", lambda: "9")
    with pytest.raises(BrokenError, match=f"of version {old}, this command of 9"):
        host.host_part(at)
    done = host.up(at, scheduler=False)
    assert (done.replaced, done.began, done.started) == (old, True, [])
    assert {one.facts.pid for one in seen(at).values()} == {one.facts.pid for one in before.values()}
    assert host.host_part(at).hello()["version"] == "9"


def test_down_with_an_engine_that_does_not_answer_ends_the_rest_and_goes_on_later(
    at: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(at)

    def away(_: KeepingDesk) -> None:
        raise BrokenError("docker does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(KeepingDesk, "end_all", away)
        with pytest.raises(BrokenError, match="docker does not answer"):
            host.down(at)
    keep = keeper(at.path)
    assert [name for name in keep.names() if locked(keep.folder / name)] == []
    assert ours(at) != []
    host.down(at)
    until(lambda: ours(at) == [])


def test_down_is_refused_while_somebody_drives(at: Home) -> None:
    begin(at)
    holder = actor.holder("execute wave-3")
    row = LeaseRow(
        subject="wave-3",
        number=5,
        holder={"user": holder.user, "host": holder.host, "pid": holder.pid, "started": holder.started, "doing": holder.doing},
        heartbeat=actor.now().isoformat(timespec="microseconds"),
        expires="2999-01-01T00:00:00.000000+00:00",
    )
    database = at.database()
    with database.writing() as session:
        session.add(row)
    with pytest.raises(LockedError, match=rf"wave-3 is driven now by .*pid {os.getpid()}: execute wave-3"):
        host.down(at)
    assert {one.facts.phase for one in seen(at).values()} == {Phase.RUNNING}
    with database.writing() as session:
        session.delete(session.get(LeaseRow, "wave-3"))
    database.close()


def test_a_host_part_that_cannot_start_is_one_clear_error(at: Home) -> None:
    (folder(at.path) / "services").mkdir()
    (folder(at.path) / "services" / "api.shop.json").write_text("{")
    with pytest.raises(BrokenError, match="the host part cannot start") as caught:
        host.host_part(at)
    assert "api.shop.json" in caught.value.state
    assert not host.running(at)
    (folder(at.path) / "services" / "api.shop.json").unlink()


def test_revert_without_the_store_then_the_store_takes_the_note_over(at: Home) -> None:
    edge = begin(at)
    (at.path / "store.sqlite").write_bytes(b"damaged" * 1000)
    with pytest.raises(UsageError, match="runs no service web"):
        led_back.revert_without_store(at, "web")
    assert led_back.revert_without_store(at, "api").service == SERVICE
    client = host.host_part(at)
    with pytest.raises(FencedError, match="led back to legacy without the store"):
        client.weigh(SERVICE, NAME, 100, FENCE + 1)
    assert {one.facts.phase for one in seen(at).values()} == {Phase.RUNNING}
    assert noted.take_over_notes(at) == []
    assert len(client.notes()) == 1
    (at.path / "store.sqlite").unlink()
    assert noted.take_over_notes(at) == [SERVICE]
    client.weigh(SERVICE, NAME, 0, FENCE + 1)
    assert get(edge) == 200


@pytest.fixture
def small_disk() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="rollout-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)
    place.rmdir()


def fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    continue
            except OSError:
                continue


def test_revert_without_the_store_on_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = Home(small_disk / ".rollout")
    at.path.mkdir(mode=0o700)
    monkeypatch.setenv("ROLLOUT_HOME", str(at.path))
    try:
        edge = begin(at)
        fill(small_disk)
        assert shutil.disk_usage(small_disk).free == 0
        with pytest.raises(BrokenError, match="No space left"):
            host.host_part(at).weigh(SERVICE, NAME, 100, FENCE + 1)
        led_back.revert_without_store(at, SERVICE)
        new = seen(at)["new.0"].facts.pid
        os.kill(new or 0, signal.SIGSTOP)
        assert {get(edge) for _ in range(30)} == {200}
        os.kill(new or 0, signal.SIGCONT)
        old = state(at)
        os.kill(old.pid, signal.SIGKILL)
        until(lambda: state(at).pid not in {0, old.pid})
        with pytest.raises(FencedError, match="led back"):
            host.host_part(at).weigh(SERVICE, NAME, 100, FENCE + 2)
        (small_disk / "filler").unlink()
        assert noted.take_over_notes(at) == [SERVICE]
    finally:
        (small_disk / "filler").unlink(missing_ok=True)
        host.down(at)
        until(lambda: ours(at) == [])
