"""The image of the sample services in containers: the interpreter that runs us, as much of it as they use, and nothing else.

No registry is asked: the interpreter itself says which files it has loaded for the sample program (Linux alone tells that).
"""

import hashlib
import io
import json
import platform
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.demo.services import PROGRAM
from rollout.errors import BrokenError

ASK_S = 60.0
LIBRARIES, INSIDE = "/lib", "/sample.py"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
ELF64, LOADED_PART = b"\x7fELF\2\1", 1
"""How such a file begins (little-endian), and the kind of those of its parts that are loaded."""
LOADED = """
import runpy, sys
for absent in ("ssl", "bz2", "lzma"):  # of use to nobody here, and large
    sys.modules[absent] = None
runpy.run_path(sys.argv[1], run_name="loaded")
import encodings.idna, socket, textwrap, traceback
try:
    socket.getaddrinfo("localhost", 80)
except OSError:
    pass
for module in list(sys.modules.values()):
    for name in ("__file__", "__cached__"):
        if getattr(module, name, None):
            print(getattr(module, name))
for line in open("/proc/self/maps"):
    name = line.split(maxsplit=5)[5:]
    if name and ".so" in name[0]:
        print(name[0].strip())
"""
"""Run by the interpreter that is to be put into the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs:
    """What is in the image. `files`: path there to file here; `links`: path there to where it leads; `argv`: runs the sample."""

    files: Mapping[str, Path]
    links: Mapping[str, str]
    argv: tuple[str, ...]


def rootfs() -> Rootfs:
    """Of the interpreter that runs us. BrokenError where it cannot say what it consists of."""
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    try:
        asked = (str(python), "-I", "-S", "-c", LOADED, str(PROGRAM))
        told = subprocess.run(asked, capture_output=True, text=True, timeout=ASK_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
        raise BrokenError(f"{python} cannot be put into an image: {said}", then="rollout demo") from error
    found = {Path(line) for line in told.splitlines()}
    libraries = {path for path in found if ".so" in path.name and "lib-dynload" not in path.parts}
    loader = next((f"{LIBRARIES}/{path.name}" for path in libraries if path.name.startswith("ld-")), "")
    start = (loader, "--library-path", LIBRARIES) if loader else ()
    return Rootfs(
        files={
            str(python): python,
            INSIDE: PROGRAM,
            **{f"{LIBRARIES}/{path.name}": path for path in libraries},
            **{str(path): path for path in found - libraries if path.exists()},
        },
        links=dict(link for path in libraries for link in _names(path)),
        argv=(*start, str(python), "-I", "-S", INSIDE),
    )


def _names(library: Path) -> Iterator[tuple[str, str]]:
    """The other names of a library, one of which programs ask for."""
    for path in library.parent.glob(f"{library.name.partition('.so')[0]}.so*"):
        if path.is_symlink() and path.resolve() == library.resolve() and path.name != library.name:
            yield f"{LIBRARIES}/{path.name}", library.name


def archive(tag: str, root: Rootfs) -> bytes:
    """What `docker load` and `podman load` read: the image under this name, with one layer."""
    layer = _tar(root)
    told = {
        "architecture": MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [],
        "config": {"Cmd": [*root.argv, "http"]},
    }
    config = json.dumps(told).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, content in ((name, config), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())):
            _add(tar, path, content)
    return written.getvalue()


def _tar(root: Rootfs) -> bytes:
    """The layer. Files keep their time: by that the interpreter knows what it compiled from what, and need not do it again."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", dereference=True) as tar:
        folders = {str(folder) for path in root.files for folder in Path(path).parents}
        for folder in sorted(folders | {"/tmp", "/etc", "/proc", "/sys", "/dev"} - {"/"}):
            _add(tar, folder, kind=tarfile.DIRTYPE, mode=0o1777 if folder == "/tmp" else 0o755)
        for path, source in sorted(root.files.items()):
            _add(tar, path, _needed(source.read_bytes()), mode=0o755, written=source.stat().st_mtime)
        for path, target in sorted(root.links.items()):
            _add(tar, path, kind=tarfile.SYMTYPE, link=target)
        _add(tar, "/etc/nsswitch.conf", b"hosts: files dns\n")
    return written.getvalue()


def _needed(content: bytes) -> bytes:
    """Of a 64-bit program or library what is loaded: behind that stands what debuggers want, often three quarters of it."""
    if content[: len(ELF64)] != ELF64:
        return content
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = [struct.unpack_from("<IIQQQQ", content, table + number * size) for number in range(count)]
    return content[: max((start + length for kind, _, start, _, _, length in headers if kind == LOADED_PART), default=None)]


def _add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
    written: float = 0,
) -> None:
    entry = tarfile.TarInfo(name.lstrip("/") or ".")
    entry.type, entry.linkname, entry.mode, entry.size, entry.mtime = kind, link, mode, len(content), int(written)
    tar.addfile(entry, io.BytesIO(content))
