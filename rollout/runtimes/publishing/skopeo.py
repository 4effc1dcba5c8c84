"""skopeo: copies images between layouts, archives, registries and engines, layer by layer and each digest verified.

It ends with whoever called it, also where that one is killed: nobody would be there to make good what it leaves half done.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import BrokenError
from rollout.runtimes.engines.sockets import which
from rollout.runtimes.images.reason import plainly

COPY_S, ASK_S = 600.0, 60.0
INSTALL = "apt-get install skopeo"
FULL = ("no space left on device", "disk quota exceeded")
_SAID = re.compile(r'level=fatal msg="(?P<text>(?:[^"\\]|\\.)*)"')
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Skopeo:
    """The program; what it writes for a while is in `scratch`."""

    scratch: Path

    def copy(self, source: str, target: str, *options: str) -> None:
        """The target has the image. BrokenError with skopeo's own words."""
        self._run("copy", "--quiet", *options, source, target, limit_s=COPY_S)

    def manifest(self, name: str, *options: str) -> bytes:
        """The manifest or index of a name in a registry, byte by byte. BrokenError with skopeo's own words."""
        return self._run("inspect", "--raw", *options, f"docker://{name}", limit_s=ASK_S)

    def blobs(self, name: str, digests: Sequence[str], folder: Path, *options: str) -> Path:
        """Of a name in a registry these blobs alone, in a folder within `folder`: each under the value of its digest.

        By the only command of skopeo's that leaves out the others; it is hidden, and there since its first version. Not all
        versions verify the digests. BrokenError with skopeo's own words.
        """
        self._run("layers", *options, f"docker://{name}", *digests, limit_s=COPY_S, folder=folder)
        return next(folder.glob("layers-*"))

    def _run(self, *words: str, limit_s: float, folder: Path | None = None) -> bytes:
        program = which("skopeo", os.environ)
        if program is None:
            raise BrokenError("skopeo is not on this host: it copies images", state="nothing was published", then=INSTALL)
        env = {**os.environ, "TMPDIR": str(self.scratch)}
        try:
            done = subprocess.run(
                [*_ending_with_us(), program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=limit_s,
                env=env,
                cwd=folder,
            )
        except subprocess.TimeoutExpired:
            raise BrokenError(f"skopeo {words[0]} took more than {limit_s:g} s", state="nothing was published") from None
        except OSError as error:
            raise BrokenError(f"skopeo does not run: {error.strerror}", state="nothing was published", then=INSTALL) from error
        if done.returncode:
            raise _failed(done.stderr.decode(errors="replace"))
        return done.stdout


def _ending_with_us() -> tuple[str, ...]:
    """What is put before a program that is to end with the thread that waits for it. Nothing where util-linux is not."""
    setpriv = which("setpriv", os.environ)
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _failed(said: str) -> BrokenError:
    found = _SAID.search(said)
    words = found["text"].replace('\\"', '"') if found else said.strip().splitlines()[-1] if said.strip() else "skopeo failed"
    words = plainly(words)[:_LONGEST]
    full = any(sign in words.lower() for sign in FULL)
    return BrokenError(words, state="nothing was published", then="free some space on the engine's disk" if full else "")
