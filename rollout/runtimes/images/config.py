"""The config of an image: what it runs as, and which layers it is made of."""

import re
from dataclasses import dataclass

from rollout.runtimes.images.descriptor import platform
from rollout.runtimes.images.digests import digest
from rollout.runtimes.images.documents import Doc
from rollout.runtimes.images.image import Image, Layer, Platform
from rollout.runtimes.images.reason import Reason, Refused, shown

_PORT = re.compile(r"([0-9]{1,5})(/(?:tcp|udp|sctp))?")
_SIGNAL = re.compile(r"[A-Z][A-Z0-9+-]{1,15}|[0-9]{1,2}")
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config that was read. `of` is the digest of its document."""

    of: str
    doc: Doc
    platform: Platform
    diff_ids: tuple[str, ...]


def config(doc: Doc, of: str) -> Config:
    """The config in a document. Refused where it is not that of an image that can run."""
    root = doc.inner("rootfs")
    if root.text("type") != "layers":
        raise Refused(Reason.MALFORMED, "has a config without rootfs of layers")
    found = platform(doc)
    if not found.os or not found.architecture:
        raise Refused(Reason.MALFORMED, "has a config without os and architecture")
    return Config(of=of, doc=doc, platform=found, diff_ids=tuple(map(digest, root.texts("diff_ids"))))


def image(found: Config, *, reference: str, manifest: str | None, layers: tuple[Layer, ...], media_type: str = "") -> Image:
    """The image of this config, all that it runs as checked: no text that a process cannot be given, no port that is none."""
    runs = found.doc.inner("config")
    folder = runs.text("WorkingDir")
    if folder and not folder.startswith("/") and found.platform.os == "linux":
        raise Refused(Reason.MALFORMED, f"works in {shown(folder)}, which is not absolute")
    signal = runs.text("StopSignal")
    if signal and not _SIGNAL.fullmatch(signal):
        raise Refused(Reason.MALFORMED, f"is stopped by {shown(signal)}, which is no signal")
    return Image(
        reference=reference,
        manifest_digest=manifest,
        config_digest=found.of,
        platform=found.platform,
        layers=layers,
        media_type=media_type,
        entrypoint=runs.texts("Entrypoint"),
        command=runs.texts("Cmd"),
        env=dict(map(_pair, runs.texts("Env"))),
        user=runs.text("User"),
        working_dir=folder,
        stop_signal=signal,
        ports=tuple(sorted(map(_port, runs.inner("ExposedPorts").keys()), key=lambda port: (int(port.split("/")[0]), port))),
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Refused(Reason.MALFORMED, "has an entry of Env that is not NAME=VALUE")
    return name, value


def _port(text: str) -> str:
    found = _PORT.fullmatch(text)
    if not found or not 1 <= int(found[1]) <= _LAST_PORT:
        raise Refused(Reason.MALFORMED, f"exposes {shown(text)}, which is no port")
    return f"{int(found[1])}{found[2] or '/tcp'}"
