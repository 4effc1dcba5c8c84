"""What a machine lacks for a private network, as it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.wiring import able
from rollout.wiring.machine import later

KIND = "rollout.network.mesh.kernel.KIND"


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    able.by_the_kernel.cache_clear()
    yield
    able.by_the_kernel.cache_clear()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither wireguard-go nor its device is here; nft is."""
    (tmp_path / "nft").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(able, "TUN", tmp_path / "tun")


@pytest.mark.usefixtures("bare")
def test_wireguard_go_is_wanted_where_the_kernel_makes_no_tunnels_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(KIND, "no-such-kind")
    assert [what for what, _ in able.lacking()] == [f"no {tmp_path}/tun", "no wireguard-go"]
    assert not able.here()
    able.by_the_kernel.cache_clear()
    monkeypatch.setattr(KIND, "bridge")
    assert list(able.lacking()) == []
    assert able.here()


@pytest.mark.usefixtures("bare")
def test_who_may_not_try_is_told_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(able, "CAPABILITIES", {"NOT_GIVEN": 63})
    monkeypatch.setattr("rollout.network.mesh.kernel.works", lambda: pytest.fail("tried"))
    assert next(able.lacking())[0] == "no NOT_GIVEN"
    assert ("no wireguard-go", "apt-get install wireguard-go") in able.lacking()


def test_doctor_says_who_makes_the_tunnels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(able, "IPV6", Path("/proc/self"))
    for kind, by in (("no-such-kind", "wireguard-go"), ("bridge", "the kernel")):
        able.by_the_kernel.cache_clear()
        monkeypatch.setattr(KIND, kind)
        told = next(one.told for one in later() if one.name == "network")
        assert told.endswith(f"(WireGuard by {by})")
