"""Somebody without root, with a home and a Podman of their own. Where tests run as root, a user who exists for one test alone.

That user stands in no file of the machine: `/etc/passwd` and the ranges of ids are others in a mount namespace of each of the
user's commands, which goes with the command. What runs as the user afterwards is ended, by process id.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.runtimes.engines.real_engines import podman_environment, temporary_folder
from tests.scenarios.driver import until

ROOT = Path(__file__).parents[3]
NAME = "rollout-test"
UIDS, RANGES = 200_000, 0x1000_0000
"""Above all that a machine gives to users; below what a user id may be."""
RANGE, SLOTS = 65_536, 4_096
LISTS = {"passwd": "{name}:x:{uid}:{uid}::{home}:/bin/sh", "group": "{name}:x:{uid}:"}


@dataclass(frozen=True, slots=True)
class Person:
    """`words` stand before a command of theirs, `env` is its environment, `home` a folder of theirs."""

    uid: int
    home: Path
    words: tuple[str, ...]
    env: Mapping[str, str]

    def __call__(self, *argv: str, limit_s: float = 200) -> str:
        """What a command of theirs printed, which ended with 0."""
        words = [*self.words, *argv]
        said = subprocess.run(words, env=self.env, cwd=self.home, capture_output=True, text=True, timeout=limit_s, check=False)
        assert said.returncode == 0, f"{argv}\n{said.stdout}\n{said.stderr}"
        return said.stdout

    def rollout(self, *argv: str, limit_s: float = 200) -> str:
        """What `rollout` printed."""
        return self(sys.executable, "-m", "rollout", *argv, limit_s=limit_s)

    def own(self, path: Path) -> Path:
        """The same file, theirs now."""
        os.chown(path, self.uid, -1)
        return path

    def runs(self) -> list[str]:
        """The command lines of all that runs as this user or one of the user's containers; Podman's own keeper is not told."""
        found = [(pid, _line(pid)) for pid in self._pids()]
        return [line for pid, line in found if line and pid != self._pause]

    @property
    def _pause(self) -> int:
        """What holds the user's namespace, for as long as Podman's containers may come."""
        return next((int(path.read_text()) for path in self.home.parent.glob("*/tmp/pause.pid")), 0)

    def _pids(self) -> list[int]:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._theirs(pid)]

    def _theirs(self, pid: int) -> bool:
        """By the user, whom nobody else has; or by the home, where the user is whoever runs the tests."""
        try:
            if os.geteuid() != 0:
                return str(self.home).encode() in Path(f"/proc/{pid}/environ").read_bytes()
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return False
        return owner == self.uid or 0 <= owner - _range(self.uid) < RANGE

    def end(self) -> None:
        """Nothing of theirs runs."""
        until(lambda: not self._killed())

    def _killed(self) -> list[int]:
        pids = self._pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids


@contextlib.contextmanager
def person() -> Iterator[Person]:
    """Somebody without root for whom Podman works; nothing that they have made or started is left."""
    with temporary_folder("rollout-person-") as folder:
        folder.chmod(0o755)
        uid = UIDS + os.getpid() if os.geteuid() == 0 else os.geteuid()
        home, run = folder / "home", folder / "run"
        for place in (home, run):
            place.mkdir(mode=0o700)
            os.chown(place, uid, -1)
        words = _become(folder, uid) if os.geteuid() == 0 else ()
        with podman_environment(home, "overlay") as engine:
            made = Person(uid, home, words, _environment(folder, engine))
            try:
                yield made
            finally:
                made.end()
                if os.geteuid() != 0:
                    made("podman", "unshare", "rm", "-rf", str(home))


def _environment(folder: Path, engine: Mapping[str, str]) -> dict[str, str]:
    places = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin:/sbin"]
    own = {"HOME": f"{folder}/home", "TMPDIR": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/run", "USER": NAME}
    return {**own, "PATH": os.pathsep.join(places), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "NO_COLOR": "1", **engine}


def _range(uid: int) -> int:
    return RANGES + uid % SLOTS * RANGE


def _become(folder: Path, uid: int) -> tuple[str, ...]:
    """Words that run what follows as this user, on a machine that knows them and whose Python they may read."""
    named = {"name": NAME, "uid": uid, "home": folder / "home"}
    for file, line in LISTS.items():
        (folder / file).write_text(Path("/etc", file).read_text() + line.format(**named) + "\n")
    for file in ("subuid", "subgid"):
        (folder / file).write_text(f"{NAME}:{_range(uid)}:{RANGE}\n")
    lines = [f"mount --bind {folder}/{file} /etc/{file}" for file in (*LISTS, "subuid", "subgid") if Path("/etc", file).exists()]
    script = folder / "become"
    script.write_text(
        "\n".join(["set -e", *lines, *_opened(folder), 'exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@"'])
    )
    return ("unshare", "--mount", "--propagation", "slave", "sh", "-c", f". {script}", str(uid))


def _opened(folder: Path) -> Iterator[str]:
    """Commands after which everybody may read our Python and this source: what root alone may enter holds nothing else then."""
    closed: dict[Path, set[Path]] = {}
    for path in {Path(sys.prefix), Path(sys.base_prefix).resolve(), ROOT}:
        for above in reversed(path.parents):
            if above.stat().st_mode & 0o005 != 0o005:
                closed.setdefault(above, set()).add(path)
                break
    for number, (above, paths) in enumerate(closed.items()):
        new = folder / f"open-{number}"
        new.mkdir()
        yield f"mount -t tmpfs -o mode=755 open {new}"
        for path in paths:
            inside = shlex.quote(f"{new}/{path.relative_to(above)}")
            yield f"mkdir -p {inside}; mount --bind {shlex.quote(str(path))} {inside}"
        yield f"mount --move {new} {shlex.quote(str(above))}"


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""
