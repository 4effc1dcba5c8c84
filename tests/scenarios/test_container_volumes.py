"""A service with a volume and limits, by the real command line: moved from Docker to Podman and back it keeps what it wrote."""

import contextlib
import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import RealEngine, image
from tests.scenarios.driver import until
from tests.scenarios.servers import Asking, Product, product
from tests.scenarios.transcript import HERE

TAG = "keeps:1"
ADDS = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$ROLLOUT_RUNTIME" >> /data/visits
cat /data/visits
touch /www/x 2>/dev/null && echo written
echo "asked on $ROLLOUT_RUNTIME" > /proc/1/fd/1
"""
LOOKS = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\nhere\\n'
"""
ENTRYPOINT = """
trap 'echo interrupted; exit 0' INT
httpd -f -p "$PORT" -h /www &
while true; do sleep 60 & wait $!; done
"""
BOUNDS = ("--memory", "64m", "--cpus", "0.5", "--pids", "100", "--read-only", "--stop-signal", "SIGINT")


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    archive = image(
        TAG, {"Entrypoint": ["sh", "-c", ENTRYPOINT], "User": "1234"}, {"www/cgi-bin/add": ADDS, "www/cgi-bin/look": LOOKS}
    )
    for engine in (real_docker, real_podman):
        engine.load(archive)
    with product(tmp_path) as made:
        made.env |= {**real_docker.environment, **real_podman.environment}
        made("policy", "use", str(HERE / "servers.toml"))
        yield made


def edge(rollout: Product) -> str:
    shown = rollout("service", "show", "keeps").splitlines()
    return next(line.split()[1] for line in shown if line.startswith("reached")).removeprefix("http://").rstrip("/")


def visits(rollout: Product) -> list[str]:
    """What one more visit finds, itself included."""
    status, text = ask(edge(rollout), "/cgi-bin/add")
    assert status == 200, text
    return text.split()


def ask(address: str, path: str) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", path, headers={"Host": "keeps.shop.internal"})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


class Crowd(Asking):
    """Asks for something the whole time, also in the gap in which nobody answers."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(self._ask)

    def _ask(self) -> None:
        while self.goes_on():
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(self._address, "/cgi-bin/look")


@contextmanager
def followed(rollout: Product) -> Iterator[Path]:
    """What `service logs --follow` tells, in a file that grows."""
    log = rollout.folder / "followed"
    words = [sys.executable, "-m", "rollout", "service", "logs", "keeps", "--follow"]
    with log.open("wb") as file:
        process = subprocess.Popen(words, env=rollout.env, cwd=rollout.folder, stdin=subprocess.DEVNULL, stdout=file)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(300)
def test_what_it_wrote_goes_with_it_and_its_limits_hold_on_both(
    rollout: Product, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    words = ("--tier", "trial", "--image", TAG, "--volume", "data:/data", *BOUNDS)
    rollout("service", "add", "shop/keeps", *words)
    rollout("service", "deploy", "keeps")
    assert visits(rollout) == ["legacy"]
    with followed(rollout) as log:
        until(lambda: visits(rollout) and "legacy.0 | asked on legacy" in log.read_text())
        before = visits(rollout)
        rollout("plan")
        with Crowd(edge(rollout)):
            assert "finished" in rollout("execute", "wave-1", "--yes")
        assert visits(rollout) == [*before, "v2"]
        for engine, runtime in ((real_podman, "v2"), (real_docker, "legacy")):
            (found,) = [one for one in engine.containers() if one["State"] == "running"]
            told = engine.told(str(found["Id"]))["HostConfig"]
            assert isinstance(told, dict)
            assert (told["Memory"], told["PidsLimit"], told["CpuQuota"]) == (64 << 20, 100, 50_000)
            assert told["ReadonlyRootfs"] is True
            until(lambda runtime=runtime: f"{runtime}.0 | asked on {runtime}" in log.read_text())
            if runtime == "v2":
                rollout("revert", "keeps")
                assert visits(rollout) == [*before, "v2", "legacy"]
        assert "legacy.0 | interrupted" in log.read_text()
