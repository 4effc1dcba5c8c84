"""A lease's process is told apart from another one with its pid."""

import subprocess
import sys
from dataclasses import replace

import psutil

from rollout.model.lease import Holder
from rollout.wiring import actor


def test_this_process_lives_under_its_own_name() -> None:
    holder = actor.holder("test")
    assert holder.user
    assert actor.alive(holder)


def test_a_reused_pid_is_not_the_same_process() -> None:
    holder = actor.holder("test")
    assert not actor.alive(replace(holder, started=holder.started - 3600))


def test_an_ended_process_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = psutil.Process(child.pid).create_time()
        holder = Holder(user="x", host=actor.holder("x").host, pid=child.pid, started=started, doing="x")
        assert actor.alive(holder)
        child.kill()
    assert not actor.alive(holder)


def test_of_another_host_nothing_is_known() -> None:
    assert actor.alive(Holder(user="x", host="elsewhere.invalid", pid=1, started=0.0, doing="x"))
