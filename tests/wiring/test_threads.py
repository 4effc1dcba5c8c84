"""Threads for effects: bounded, replaced when one hangs, and never in the way of the end."""

import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest

from rollout.wiring.threads import Threads

LIMIT_S = 30.0
ROOT = Path(__file__).parents[2]


def test_no_more_run_at_once_than_allowed_and_all_run() -> None:
    threads = Threads(2, "test")
    lock, now, most = threading.Lock(), [0], [0]
    both = threading.Barrier(2)

    def job() -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        both.wait(LIMIT_S)
        with lock:
            now[0] -= 1
        return 1

    found = [threads.submit(job) for _ in range(10)]
    assert not wait(found, LIMIT_S).not_done
    assert [one.result() for one in found] == [1] * 10
    assert most == [2]
    threads.close()


def test_an_error_is_carried_to_whoever_waits() -> None:
    threads = Threads(1, "test")
    broken = threads.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        broken.result(LIMIT_S)
    assert threads.submit(lambda: 7).result(LIMIT_S) == 7
    threads.close()
    with pytest.raises(RuntimeError):
        threads.submit(lambda: 7)


def test_one_that_is_given_up_is_replaced_and_its_result_comes_late() -> None:
    threads = Threads(1, "test")
    let_go, begun = threading.Event(), threading.Event()

    def hang() -> str:
        begun.set()
        let_go.wait(LIMIT_S)
        return "late"

    hung = threads.submit(hang)
    assert begun.wait(LIMIT_S)
    waiting = threads.submit(lambda: "next")
    assert not hung.cancel()
    assert waiting.result(LIMIT_S) == "next"
    assert not hung.done()
    let_go.set()
    assert hung.result(LIMIT_S) == "late"
    assert threads.submit(lambda: "after").result(LIMIT_S) == "after"
    threads.close()


def test_what_has_not_begun_is_cancelled() -> None:
    threads = Threads(1, "test")
    let_go = threading.Event()
    first = threads.submit(lambda: let_go.wait(LIMIT_S))
    second = threads.submit(lambda: "never")
    assert second.cancel()
    let_go.set()
    assert first.result(LIMIT_S)
    threads.close()
    assert second.cancelled()


def test_a_hung_effect_does_not_keep_the_process_from_ending() -> None:
    program = """
import threading
from rollout.wiring.threads import Threads
threads, begun = Threads(2, "effect"), threading.Event()
hung = threads.submit(lambda: (begun.set(), threading.Event().wait()))
begun.wait()
hung.cancel()
threads.close()
print("over")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout == "over\n"
