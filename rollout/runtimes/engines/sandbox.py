"""A container that does nothing but hold a network namespace, for Docker, which takes none by its path.

Docker lets a container share the network of another one. So a sandbox goes first: it enters the namespace that was made before
(bound into it as one file), then waits for ever, and the workload shares what it finds there. Its program is made here by hand:
a static ELF file of some 200 bytes, so that no image has to be fetched from anywhere and nothing but it is in its image.
"""

import hashlib
import io
import json
import platform
import struct
import tarfile
from collections.abc import Mapping

from rollout.runtimes.engines.labels import SANDBOX

PROGRAM, NAMESPACE = "/sandbox", "/namespace"
LOADED_AT = 0x400000
HEADERS = 64 + 56
MACHINES = {"x86_64": ("amd64", 62), "aarch64": ("arm64", 183)}
"""What the kernel calls a machine: as images call it, and its number in ELF files."""


def program(machine: str) -> bytes:
    """The program for this kind of machine. KeyError for one that is not in MACHINES."""
    code = {"x86_64": _amd64, "aarch64": _arm64}[machine]()
    content = code + NAMESPACE.encode() + b"\0"
    size, start = HEADERS + len(content), LOADED_AT + HEADERS
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little end first
    header = struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[machine][1], 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, LOADED_AT, LOADED_AT, size, size, 0x1000)  # readable and executable
    return ident + header + segment + content


def _amd64() -> bytes:
    code = (
        b"\xbf\x9c\xff\xff\xff"  # mov edi, AT_FDCWD
        b"\x48\x8d\x35%s"  # lea rsi, [rip + NAMESPACE]
        b"\x31\xd2"  # xor edx, edx (O_RDONLY)
        b"\xb8\x01\x01\x00\x00\x0f\x05"  # openat
        b"\x89\xc7\xbe\x00\x00\x00\x40"  # mov edi, eax; mov esi, CLONE_NEWNET
        b"\xb8\x34\x01\x00\x00\x0f\x05"  # setns
        b"\x85\xc0\x75\x09"  # test eax, eax; jnz to the exit
        b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"  # pause, again and again
        b"\xf7\xd8\x89\xc7\xb8\xe7\x00\x00\x00\x0f\x05"  # exit_group(the error's number)
    )
    after_lea = 12
    return code % struct.pack("<i", len(code) - len(b"%s") + 4 - after_lea)


def _arm64() -> bytes:
    words = [
        0x92800C60,  # mov x0, AT_FDCWD (-100)
        0,  # adr x1, NAMESPACE
        0xD2800002,  # mov x2, O_RDONLY
        0xD2800708,  # mov x8, 56 (openat)
        0xD4000001,  # svc 0
        0xD2A80001,  # mov x1, CLONE_NEWNET
        0xD2802188,  # mov x8, 268 (setns)
        0xD4000001,  # svc 0
        0xB5000120,  # cbnz x0, to the exit (9 instructions on)
        0xD2800000,  # mov x0, 0
        0xD2800001,  # mov x1, 0
        0xD2800002,  # mov x2, 0
        0xD2800003,  # mov x3, 0
        0xD2800004,  # mov x4, 0
        0xD2800928,  # mov x8, 73 (ppoll: of nothing, for ever)
        0xD4000001,  # svc 0
        0x17FFFFF9,  # b, to the waiting again (7 instructions back)
        0xCB0003E0,  # neg x0, x0
        0xD2800BC8,  # mov x8, 94 (exit_group)
        0xD4000001,  # svc 0
    ]
    ahead = 4 * (len(words) - 1)
    words[1] = 0x10000001 | (ahead >> 2) << 5 | (ahead & 3) << 29
    return struct.pack(f"<{len(words)}I", *words)


def image(machine: str | None = None) -> tuple[str, bytes]:
    """The name of the image, which its content gives it, and the image as a docker archive."""
    machine = machine or platform.machine()
    layer = _tar({PROGRAM.strip("/"): program(machine), NAMESPACE.strip("/"): b""})
    diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {
        "architecture": MACHINES[machine][0],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [],
        "config": {"Entrypoint": [PROGRAM], "Labels": {SANDBOX: "yes"}, "StopSignal": "SIGKILL"},
    }
    told = json.dumps(config).encode()
    digest = hashlib.sha256(told).hexdigest()
    name = f"rollout-sandbox:{digest[:12]}"
    manifest = [{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return name, _tar({f"{digest}.json": told, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()})


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
