"""What bounds a container, what it may do and what it mounts: seen from inside, the same on a real Docker and a real Podman."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import until
from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec, Phase
from rollout.model.fleet import EngineName
from rollout.runtimes.engines.containers import ContainerEngine
from tests.runtimes.engines.real_engines import RealEngine, image
from tests.runtimes.engines.test_container_engines import container, doer

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT"),
    "KILL",
)
"""What Docker gives as usual, without what Podman does not give: AUDIT_WRITE, MKNOD and NET_RAW."""
NUMBERS = {
    **{"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8},
    **{"NET_BIND_SERVICE": 10, "SYS_CHROOT": 18, "SETFCAP": 31},
}
USUAL = sum(1 << NUMBERS[name] for name in CAPABILITIES)
STATUS = """
while read -r name value; do
    case $name in CapEff:|CapBnd:|NoNewPrivs:) echo "$name $value";; esac
done < /proc/self/status
"""
CGROUP = """
for file in cpu.max cpu/cpu.cfs_quota_us cpu,cpuacct/cpu.cfs_quota_us; do
    [ -r /sys/fs/cgroup/$file ] && { read -r quota rest < /sys/fs/cgroup/$file; echo "cpu: $quota"; break; }
done
for file in pids.max pids/pids.max; do
    [ -r /sys/fs/cgroup/$file ] && { read -r most < /sys/fs/cgroup/$file; echo "pids: $most"; break; }
done
for file in memory.max memory/memory.limit_in_bytes; do
    [ -r /sys/fs/cgroup/$file ] && { read -r most < /sys/fs/cgroup/$file; echo "memory: $most"; break; }
done
"""


@pytest.fixture(scope="module")
def engines(real_docker: RealEngine, real_podman: RealEngine) -> Mapping[EngineName, RealEngine]:
    return {real_docker.name: real_docker, real_podman.name: real_podman}


@pytest.fixture
def both(engines: Mapping[EngineName, RealEngine], tmp_path: Path) -> Iterator[Mapping[EngineName, ContainerEngine]]:
    """Both engines of one home."""
    found = {name: doer(real, tmp_path) for name, real in engines.items()}
    yield found
    for engine in found.values():
        for name in engine.known():
            engine.take_back(name)
            engine.stop(name, 0)
            engine.forget(name)
        engine.api.close()


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def engine(both: Mapping[EngineName, ContainerEngine], request: pytest.FixtureRequest) -> ContainerEngine:
    return both[request.param]


def said(engine: ContainerEngine, spec: InstanceSpec) -> list[str]:
    """What it wrote until it ended by itself."""
    engine.start(spec)
    until(lambda: (facts := engine.facts(spec.id)) and facts.phase in {Phase.EXITED, Phase.FAILED})
    return list(engine.tail(spec.id, 50))


def test_capabilities_are_the_same_few_on_both_and_no_privileges_are_gained(engine: ContainerEngine) -> None:
    told = dict(line.split() for line in said(engine, container(STATUS, engine.dialect.name)))
    assert told["NoNewPrivs:"] == "1"
    assert (int(told["CapEff:"], 16), int(told["CapBnd:"], 16)) == (USUAL, USUAL)


def test_a_user_of_the_image_has_no_capability(engine: ContainerEngine, engines: Mapping[EngineName, RealEngine]) -> None:
    engines[engine.dialect.name].load(image("plain-user:1", {"User": "1234:1234"}))
    told = said(engine, container(f"id -u; {STATUS}", engine.dialect.name, image="plain-user:1"))
    assert told[0] == "1234"
    assert int(dict(line.split() for line in told[1:])["CapEff:"], 16) == 0


def test_limits_are_seen_from_inside(engine: ContainerEngine) -> None:
    bounded = container(CGROUP, engine.dialect.name, memory_mb=64, cpus=0.5, pids_max=50)
    assert said(engine, bounded) == ["cpu: 50000", "pids: 50", f"memory: {64 << 20}"]


def test_more_processes_than_its_limit_are_not_to_be_had(engine: ContainerEngine) -> None:
    program = "n=0; while [ $n -lt 30 ]; do sleep 5 & n=$((n + 1)); done; echo all"
    assert "all" not in said(engine, container(program, engine.dialect.name, pids_max=20))
    assert said(engine, container(program, engine.dialect.name, pids_max=200, token="roomy"))[-1] == "all"


def test_a_read_only_root_is_one_but_for_its_volumes(engine: ContainerEngine) -> None:
    tries = "for place in / /www /tmp /etc /data; do touch $place/x 2>/dev/null && echo $place; done; true"
    shut = container(tries, engine.dialect.name, read_only=True, volumes=("data:/data",))
    assert said(engine, shut) == ["/data"]
    assert said(engine, container(tries, engine.dialect.name, token="open")) == ["/", "/www", "/tmp", "/etc"]


def test_its_own_stop_signal_reaches_the_program(engine: ContainerEngine) -> None:
    """Instead of that of the image, which is TERM."""
    for number, name in ((2, "SIGINT"), (37, "SIGRTMIN+3")):
        program = f"trap 'echo {name}; exit 3' {number}; trap 'exit 4' TERM; echo ready; while true; do sleep 60 & wait; done"
        spec = container(program, engine.dialect.name, stop_signal=name, token=f"stops-{number}")
        engine.start(spec)
        until(lambda spec=spec: "ready" in engine.tail(spec.id, 1))
        engine.stop(spec.id, 10.0)
        facts = engine.facts(spec.id)
        assert facts is not None
        assert (facts.exit_code, engine.tail(spec.id, 1)) == (3, [name])


@pytest.mark.parametrize("first", [EngineName.DOCKER, EngineName.PODMAN])
def test_a_volume_goes_with_its_service_to_the_other_engine(
    both: Mapping[EngineName, ContainerEngine], first: EngineName, tmp_path: Path, engines: Mapping[EngineName, RealEngine]
) -> None:
    """Also of a service whose image has a user of its own."""
    second = EngineName.PODMAN if first is EngineName.DOCKER else EngineName.DOCKER
    for real in engines.values():
        real.load(image("own-user:1", {"User": "1234:1234"}))
    volumes, named = ("data:/data", "/anonymous"), {"image": "own-user:1", "token": "one"}
    wrote = container("echo here > /data/x; echo there > /anonymous/y", first, volumes=volumes, **named)
    assert said(both[first], wrote) == []
    both[first].stop(wrote.id, 0)
    both[first].forget(wrote.id)
    reads = container("cat /data/x /anonymous/y", second, volumes=volumes, image="own-user:1", token="two")
    assert said(both[second], reads) == ["here", "there"]
    folder = tmp_path / "volumes"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    environment, name = wrote.service.split("/")
    assert sorted(path.name for path in (folder / environment).iterdir()) == [f"{name}-anonymous-79e4c92b", "data"]


def test_a_folder_of_the_host_is_mounted_and_only_read_where_that_is_said(engine: ContainerEngine, tmp_path: Path) -> None:
    odd = container("cat /x/told; touch /x/new 2>/dev/null || echo shut", engine.dialect.name, volumes=(f"{tmp_path}:/x:ro",))
    (tmp_path / "told").write_text("hello\n")
    assert said(engine, odd) == ["hello", "shut"]
    open_ = replace(odd, token="open", volumes=(f"{tmp_path}:/x",))
    assert said(engine, open_) == ["hello"]
    assert (tmp_path / "new").exists()
    missing = replace(odd, token="missing", volumes=(f"{tmp_path}/none:/x",))
    with pytest.raises(BrokenError, match="is not on this host") as told:
        engine.start(missing)
    assert f"mkdir -p {tmp_path}/none" in told.value.then
    assert not (tmp_path / "none").exists()
