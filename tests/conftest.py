"""What all tests share: a home of their own, no skips, and the one list of what a platform cannot run."""

import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.runtimes.engines.real_engines import RealEngine

# A busy machine is slow: no test is about wall-clock speed, those of hypothesis neither.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

HERE = Path(__file__).parent
ENGINES = ("dockerd", "containerd", "podman", "runc", "/bin/busybox", "skopeo", "docker-registry", "umoci")
"""What tests of containers start."""
MESH = ("wireguard-go", "nft")
"""What the private network is made of."""
ROOTLESS = ("podman", "runc", "newuidmap", "skopeo", "/bin/busybox")
"""What tests of Podman without root take."""
SYS_ADMIN = 1 << 21
"""The capability to mount and to make namespaces, without which root starts no container (capabilities(7))."""


def _installed(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _may_mount() -> bool:
    """Whether this is root as on a machine of its own, and not inside of a container that forbids containers."""
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:
        return False
    return os.geteuid() == 0 and bool(int(told.partition("CapEff:")[2].split()[0], 16) & SYS_ADMIN)


def _has_ids() -> bool:
    """Whether whoever runs the tests is not root, and has further ids for containers (subuid(5))."""
    from rollout.runtimes.engines.rootless import lacking

    return sys.platform.startswith("linux") and os.geteuid() != 0 and not list(lacking(os.environ))


def _cannot_run() -> dict[str, str]:
    """Node id prefixes that this platform cannot run, with the reason, from tests/platforms.toml."""
    listed = tomllib.loads((HERE / "platforms.toml").read_text())
    facts = {
        "linux": sys.platform.startswith("linux"),
        "root": hasattr(os, "geteuid") and os.geteuid() == 0,
        "rootless": all(map(_installed, ROOTLESS)) and (_may_mount() or _has_ids()),
        "debian": Path("/etc/debian_version").exists() and "ROLLOUT_TESTS_WITHOUT" not in os.environ,
        "containers": all(map(_installed, ENGINES)) and _may_mount(),
        "namespaces": _may_mount(),
        "mesh": all(map(_installed, MESH)) and _may_mount() and Path("/dev/net/tun").exists(),
    }
    return {
        prefix: f"needs {need}" for need, prefixes in listed.get("needs", {}).items() if not facts[need] for prefix in prefixes
    }


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the tests that CI's share of time leaves out (mark `long`)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cannot = _cannot_run()
    short = not config.getoption("--long")
    left_out = [
        item
        for item in items
        if item.nodeid.startswith(tuple(cannot) or ("\0",)) or (short and item.get_closest_marker("long") is not None)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A skipped test is a failed test: what a platform cannot run stands in tests/platforms.toml."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped; list it in tests/platforms.toml instead"


@pytest.fixture(scope="session")
def real_docker() -> Iterator["RealEngine"]:
    """A dockerd of this test run."""
    from tests.runtimes.engines.real_engines import docker

    with docker() as engine:
        yield engine


@pytest.fixture(scope="session")
def real_podman() -> Iterator["RealEngine"]:
    """A Podman of this test run."""
    from tests.runtimes.engines.real_engines import podman

    with podman() as engine:
        yield engine


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home that every command of the test finds."""
    path = tmp_path / ".rollout"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("ROLLOUT_HOME", str(path))
    monkeypatch.chdir(tmp_path)
    return path
