"""What copies use: the same suite for the meter in memory and for real processes; and over the host part's socket."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from rollout.host import protocol
from rollout.host.usage import MemoryMeter, Meter, ProcessMeter, Used, by_launch

BUSY = """
import time
end = time.process_time() + 0.2
kept = bytearray(30_000_000)
while time.process_time() < end:
    pass
print("done", flush=True)
input()
"""
Busy = Callable[[], int]


@pytest.fixture(params=["memory", "processes"])
def measured(request: pytest.FixtureRequest) -> Iterator[tuple[Meter, Busy]]:
    """A meter, and what makes a process that has used 0.2 s of CPU and holds 30 MB."""
    begun: list[subprocess.Popen[str]] = []
    memory = MemoryMeter()

    def busy() -> int:
        if request.param == "memory":
            memory.figures[1000 + len(memory.figures)] = (0.2, 40_000_000)
            return 999 + len(memory.figures)
        process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        return process.pid

    yield (memory if request.param == "memory" else ProcessMeter()), busy
    for process in begun:
        process.kill()
        process.communicate()


def test_cpu_and_memory_of_all_its_processes(measured: tuple[Meter, Busy]) -> None:
    meter, busy = measured
    one, two = busy(), busy()
    single, both = meter.read("t", [one]), meter.read("t", [one, two])
    assert (single.token, single.processes, both.processes) == ("t", 1, 2)
    assert 0.2 <= single.cpu_s < 5
    assert single.memory_bytes > 30_000_000
    assert both.cpu_s >= single.cpu_s + 0.2
    assert both.memory_bytes > single.memory_bytes + 30_000_000


def test_who_has_ended_adds_nothing(measured: tuple[Meter, Busy]) -> None:
    meter, busy = measured
    assert meter.read("t", [busy(), 2**22 + 7]).processes == 1
    gone = meter.read("t", [2**22 + 7])
    assert (gone.processes, gone.cpu_s, gone.memory_bytes) == (0, None, None)
    assert "process" in gone.why_not


def test_what_may_not_be_read_in_part_is_not_told_as_less(monkeypatch: pytest.MonkeyPatch) -> None:
    process = psutil.Process

    def refused(pid: int) -> psutil.Process:
        if pid == os.getpid():
            raise psutil.AccessDenied(pid)
        return process(pid)

    assert ProcessMeter().read("t", [os.getpid()]).why_not == ""
    monkeypatch.setattr(psutil, "Process", refused)
    told = ProcessMeter().read("t", [os.getppid(), 2**22 + 7, os.getpid()])
    assert told == Used(token="t", processes=0, why_not=f"this system does not let process {os.getpid()} be read")


def test_replicas_of_a_launch_are_one() -> None:
    meter = MemoryMeter()
    meter.figures = {1: (1.0, 10), 2: (2.0, 20), 3: (4.0, 40)}
    pids = {"a.0": [1], "a.1": [2], "b.0": [3], "c.0": []}
    found = by_launch([("a", "a.0"), ("a", "a.1"), ("b", "b.0"), ("c", "c.0")], pids.__getitem__, meter)
    assert [(used.token, used.processes, used.cpu_s, used.memory_bytes) for used in found] == [
        ("a", 2, 3.0, 30),
        ("b", 1, 4.0, 40),
    ]


def test_it_goes_over_the_socket() -> None:
    class Desk:
        def used(self, service: str) -> list[Used]:
            return [ProcessMeter().read(service, [os.getpid()])]

    answer = protocol.perform(protocol.request("used", "1", {"service": "shop/api"}), "1", Desk())
    (used,) = protocol.result("used", answer)
    assert (used.token, used.processes) == ("shop/api", 1)
    assert used.cpu_s > 0
