"""The contract of the host part: in process, over its socket, and with real programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.contract.host_part import HostPartContract
from tests.host.host_rigs import MemoryRig, ProcessRig, SocketRig


class TestInProcess(HostPartContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> MemoryRig:
        return MemoryRig(tmp_path / "host")


class TestOverTheSocket(HostPartContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[SocketRig]:
        rig = SocketRig(tmp_path / "host")
        yield rig
        rig.close()


class TestWithRealPrograms(HostPartContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[ProcessRig]:
        rig = ProcessRig(tmp_path / "host")
        yield rig
        rig.close()
        rig.end()
