"""What the tests of bad input share: one clear error, a store that did not change, a small disk, real services under load."""

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout.cli.main import main
from tests.scenarios.transcript import HERE

ROOT = HERE.parents[1]
LIMIT_S = 90.0


@dataclass(frozen=True)
class Said:
    """How one command ended."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *wanted: str) -> "Said":
        """It ended with this code and exactly one error in three parts, in which all of this stands."""
        lines = self.err.splitlines()
        begins = [next((word for word in ("error:", "state:", "next:") if line.startswith(word)), "") for line in lines]
        assert "Traceback" not in self.err + self.out, self.err
        assert [word for word in begins if word] == ["error:", "state:", "next:"], self.err
        assert all(line.partition(":")[2].strip() for line, word in zip(lines, begins, strict=True) if word), self.err
        assert self.code == code, (self.code, self.err)
        for text in wanted:
            assert text in self.err, (text, self.err)
        return self


def rollout(*words: str | bytes, env: Mapping[str, str | None] | None = None, shell: str = "", cwd: Path | None = None) -> Said:
    """`rollout …` in a process of its own. A variable that is None is not set; `shell` is what a shell puts around it."""
    known = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(env or {})}
    environment = {name: value for name, value in known.items() if value is not None}
    command: list[str | bytes] = [sys.executable, "-m", "rollout", *words]
    if shell:
        command = ["/bin/sh", "-c", shell, "sh", *command]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, cwd=cwd, timeout=LIMIT_S, check=False
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def called(*words: str) -> Said:
    """`rollout …` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([*words])
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def dump(home: Path) -> str:
    """Everything that stands in the store."""
    with contextlib.closing(sqlite3.connect(home / "store.sqlite")) as connection:
        return "\n".join(connection.iterdump())


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own, gone afterwards. Needs root."""
    place = Path(tempfile.mkdtemp(prefix="rollout-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def fill(place: Path) -> Path:
    """No byte is left on this file system; the file that takes them."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    continue
    return filler
