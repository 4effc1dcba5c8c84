"""Images made by hand, byte by byte: good ones, and every way of being bad."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
AMD64 = {"os": "linux", "architecture": "amd64"}
END = bytes(1024)
RUNS = {
    "Entrypoint": ["/bin/web"],
    "Cmd": ["--port", "8080"],
    "Env": ["PATH=/bin", "SECRET=tell-nobody"],
    "User": "1000:1000",
    "WorkingDir": "/srv",
    "StopSignal": "SIGQUIT",
    "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
}


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def summed(block: bytes) -> bytes:
    """The header with its right checksum."""
    total = sum(block[:148] + b" " * 8 + block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


def head(name: bytes, kind: bytes = b"0", *, size: int | bytes = 0, link: bytes = b"", prefix: bytes = b"") -> bytes:
    """A header as it would stand in a tar, whatever it says."""
    told = size if isinstance(size, bytes) else b"%011o\0" % size
    first = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + told + b"00000000000\0" + bytes(8) + kind
    then = link.ljust(100, b"\0") + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + prefix.ljust(155, b"\0") + bytes(12)
    return summed(first + then)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def entry(name: bytes, data: bytes = b"", *, kind: bytes = b"0", link: bytes = b"") -> bytes:
    """An entry with its data."""
    return head(name, kind, size=len(data), link=link) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """A PAX record that is as long as it says."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header for the next entry."""
    return entry(b"PaxHeaders/x", b"".join(record(*one) for one in records), kind=kind)


GOOD = entry(b"bin/", kind=b"5") + entry(b"bin/web", b"#!/bin/sh\n" * 100) + entry(b"srv/", kind=b"5")


class Layout:
    """An OCI layout in a folder. What is made of it is well formed unless it is told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str, **more: Any) -> Json:
        """The data is stored; its descriptor."""
        (self.folder / "blobs" / "sha256" / sha(data).removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": sha(data), "size": len(data), **more}

    def document(self, document: Json, media_type: str, **more: Any) -> Json:
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def layer(self, tar: bytes, *, packed: bytes | None = None, suffix: str = "") -> tuple[Json, str]:
        """A layer stored; its descriptor and diff_id."""
        return self.blob(tar if packed is None else packed, LAYER + suffix), sha(tar)

    def config(self, diff_ids: list[str], *, platform: Json = AMD64, runs: Json = RUNS, **more: Any) -> Json:
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        return self.document({**platform, "config": runs, "rootfs": rootfs, **more}, CONFIG)

    def manifest(self, config: Json, layers: list[Json], *, said: Json | None = None, **more: Any) -> Json:
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return self.document({**document, **more}, MANIFEST, **(said or {}))

    def image(self, *tars: bytes, platform: Json = AMD64, said: Json | None = None, runs: Json = RUNS) -> Json:
        """A whole image of these layers, not compressed; the descriptor of its manifest."""
        layers = [self.layer(tar) for tar in tars]
        config = self.config([diff_id for _, diff_id in layers], platform=platform, runs=runs)
        return self.manifest(config, [one for one, _ in layers], said={"platform": platform} if said is None else said)

    def index(self, *manifests: Json, **more: Any) -> Path:
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests), **more}
        (self.folder / "index.json").write_text(json.dumps(document))
        return self.folder


def made(folder: Path, *tars: bytes, **more: Any) -> Path:
    """A layout of one image of these layers."""
    layout = Layout(folder)
    return layout.index(layout.image(*(tars or (GOOD + END,)), **more))


def as_tar(folder: Path) -> Path:
    """The same as a tar, as tools write it: `./` first."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def saved(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    """A tar of these files, in this order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


def docker(path: Path, *tars: bytes, **more: Any) -> Path:
    """What `docker save` wrote until Docker 24."""
    config = json.dumps({**AMD64, "config": RUNS, "rootfs": {"type": "layers", "diff_ids": [sha(tar) for tar in tars]}}).encode()
    name = sha(config).removeprefix("sha256:") + ".json"
    names = [f"{number:064x}/layer.tar" for number in range(len(tars))]
    manifest = [{"Config": name, "RepoTags": ["web:1"], "Layers": names, **more}]
    files = {name: config, **dict(zip(names, tars, strict=True)), "manifest.json": json.dumps(manifest).encode()}
    return saved(path, files)


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)
