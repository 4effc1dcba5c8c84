"""Ports and processes of this host."""

import os
import socket
import subprocess

from rollout.host.processes import OURS, HostPorts, alive, started


def test_a_free_port_is_below_those_of_outgoing_connections_and_not_taken() -> None:
    taken = set(range(*OURS)) - {24_680, 24_681, 24_682, 24_683}
    found = HostPorts().free(taken)
    assert found in {24_680, 24_681, 24_682, 24_683}
    assert HostPorts().holder(found) == ""


def test_whoever_listens_is_named() -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.create_server((address, 0), family=family) as server:
            assert f"pid {os.getpid()} (" in HostPorts().holder(server.getsockname()[1])


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert started(child.pid) is not None
        assert not alive(child.pid)
    assert started(child.pid) is None
