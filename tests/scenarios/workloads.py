"""Real programs as images: what they are made of on this machine, and the few that behave as some programs do."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import image
from tests.scenarios.on_engines import ENTRYPOINT, TELLS
from tests.scenarios.servers import Product
from tests.scenarios.workload_programs import CALLER, NGINX, NODE, WEB

PYTHON = Path("/usr/bin/python3").resolve()
STDLIB = Path(f"/usr/lib/{PYTHON.name}")
NOT_NEEDED = {"test", "idlelib", "lib2to3", "ensurepip", "tkinter", "pydoc_data", "distutils", "unittest", "dist-packages"}
"""Of the standard library: what no server needs, most of its size."""
PASSWD = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"

REDIS = [
    *("/usr/bin/redis-server", "--bind", "*", "-::*", "--protected-mode", "no"),
    *("--dir", "/data", "--appendonly", "yes", "--save", ""),
]


def engines_of(own: str) -> list[object]:
    """`containers`, where the runtime has `own`, and with `--long` the other one."""
    (other,) = {"docker", "podman"} - {own}
    return [pytest.param("containers", id=own), pytest.param(other, marks=pytest.mark.long, id=other)]


def fleet(rollout: Product, engine: str, services: Mapping[str, Mapping[str, object]]) -> None:
    """These are added, by one import: in the environment `shop`, of the image with Python where nothing else is said."""
    usual = {"environment": "shop", "customer": "ann", "tier": "trial", "image": PYTHON_IMAGE.tag, "engine": engine}
    written = {"defaults": usual, "services": [{"name": name, **fields} for name, fields in services.items()]}
    (rollout.folder / "fleet.json").write_text(json.dumps(written))
    rollout("service", "import", "fleet.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image is made of: programs of this machine with their libraries, further files of it, and text."""

    tag: str
    start: Sequence[str]
    programs: Sequence[Path] = ()
    folders: Sequence[Path] = ()
    texts: Mapping[str, str]

    def archive(self) -> bytes:
        """As a docker archive."""
        found = {path for program in self.programs for path in (program, *_libraries(program))}
        found.update(path for folder in self.folders for path in _files(folder))
        return image(
            self.tag,
            {"Entrypoint": list(self.start), "Cmd": []},
            {"etc/passwd": PASSWD, "etc/group": GROUP, **self.texts},
            sorted(found),
        )


def _libraries(program: Path) -> Iterator[Path]:
    """The shared libraries that it loads, under the paths where it looks for them."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        yield from (Path(word) for word in line.split() if word.startswith("/"))


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*") if folder.exists() else ():
        wanted = NOT_NEEDED.isdisjoint(path.relative_to(folder).parts) and "config-" not in str(path)
        if wanted and path.is_file():
            yield path


PYTHON_IMAGE = Image(
    tag="python:1",
    start=["sh", "-c", f'exec {PYTHON} "${{PROGRAM:-/web.py}}"'],
    programs=[PYTHON],
    folders=[STDLIB],
    texts={"web.py": WEB, "caller.py": CALLER},
)
IMAGES = (
    Image(tag="httpd:1", start=["sh", "-c", ENTRYPOINT], texts={"www/cgi-bin/now": TELLS}),
    Image(tag="nginx:1", start=["sh", "-c", NGINX], programs=[Path("/usr/sbin/nginx")], texts={}),
    Image(tag="redis:1", start=REDIS, programs=[Path("/usr/bin/redis-server")], texts={"data/.keep": ""}),
    Image(
        tag="node:1",
        start=["/usr/bin/node", "/server.js"],
        programs=[Path("/usr/bin/node")],
        folders=[Path("/usr/share/nodejs") / name for name in ("acorn", "cjs-module-lexer", "undici")],  # Debian's own loads them
        texts={"server.js": NODE},
    ),
    PYTHON_IMAGE,
)  # fmt: skip
