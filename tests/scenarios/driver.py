"""A command in a process of its own."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from tests.scenarios.transcript import HERE

LIMIT_S = 100.0


class Driver:
    """One `rollout …` in a process of its own, its output read as it comes."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollout", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: TextIO, lines: list[str]) -> None:
        while line := stream.readline():
            lines.append(line.rstrip("\n"))

    def says(self, text: str) -> None:
        """Wait until it has written this."""
        until(lambda: any(text in line for line in (*self.out, *self.err)) or self.process.poll() is not None)
        assert any(text in line for line in (*self.out, *self.err)), (self.out, self.err)

    def ends(self) -> int:
        """Its exit code, when it has ended and all its output is read."""
        code = self.process.wait(LIMIT_S)
        for reader in self._readers:
            reader.join(LIMIT_S)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(LIMIT_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)
