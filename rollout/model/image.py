"""Images as people write them, and what names one for ever."""

import re
from dataclasses import dataclass
from enum import StrEnum

from rollout.errors import UsageError

_SHOWN = 12
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*")
_LONGEST = 255
_FORMS = "oci:/PATH:TAG, oci-archive:/PATH.tar, docker-archive:/PATH.tar, REGISTRY/NAME:TAG, NAME@sha256:…, or what an engine has"
_NOT_A_WORD = re.compile("[^a-z0-9]+")


class Form(StrEnum):
    """Where an image is taken from: a layout, folder or tar, what `docker save` wrote, a registry, or an engine's own store."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    REGISTRY = "registry"
    ENGINE = "engine"

    @property
    def file(self) -> bool:
        """It stands in a folder or file of this host."""
        return self in {Form.OCI, Form.OCI_ARCHIVE, Form.DOCKER_ARCHIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image as a person wrote it. `place`: a path, or a name with its registry; `tag` and `digest` may be empty."""

    form: Form
    place: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """What is written. UsageError for what is no reference."""
        form, colon, rest = text.partition(":")
        if colon and form in {Form.OCI, Form.OCI_ARCHIVE, Form.DOCKER_ARCHIVE}:
            return _of_path(Form(form), text, rest)
        return _of_name(text)

    @property
    def registry(self) -> str:
        """`registry.example:5000`; empty where it names none."""
        return self.place.partition("/")[0] if self.form is Form.REGISTRY else ""

    @property
    def name(self) -> str:
        """As it is written, without tag and digest."""
        return f"{self.form}:{self.place}" if self.form.file else self.place

    @property
    def word(self) -> str:
        """A short name out of letters, digits and hyphens: what the last part of its path or name is called."""
        last = self.place.rstrip("/").rpartition("/")[2].lower().removesuffix(".tar")
        return _NOT_A_WORD.sub("-", last).strip("-")[: _SHOWN * 4].strip("-") or "image"

    def at(self, digest: str) -> str:
        """The image for ever, short enough for people: `web@sha256:0123456789ab`."""
        return f"{self.name}@{short(digest)}" if self.place else short(digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDigest:
    """What names an image for ever.

    `digest`: of its manifest for this host's platform, or of its configuration where it has no manifest that is known. `config`:
    of its configuration, by which engines know it, however it was packed.
    """

    digest: str
    config: str


def short(digest: str) -> str:
    """`sha256:` and its first twelve digits."""
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:_SHOWN]}"


def told(image: str | None, found: ImageDigest | None, *, whole: bool = False) -> str:
    """`NAME@sha256:…` for the image that a release runs, its digest short unless `whole`; empty where that is not known."""
    if not image or found is None:
        return ""
    reference = Reference.parse(image)
    return f"{reference.name}@{found.digest}".removeprefix("@") if whole else reference.at(found.digest)


def shortly(pinned: str) -> str:
    """The same with its digest short."""
    name, at, digest = pinned.rpartition("@")
    return f"{name}{at}{short(digest)}"


def _of_path(form: Form, text: str, rest: str) -> Reference:
    path, _, tag = rest.partition(":")
    if not path.startswith("/"):
        raise _wrong(text, "its path must be absolute", f"write {form}:/… with the whole path")
    if any(not c.isprintable() for c in rest):
        raise _wrong(text, "it holds characters that cannot be shown", "write another path or tag")
    return Reference(form=form, place=path, tag=tag)


def _of_name(text: str) -> Reference:
    named, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(text, f"{digest!r} is no digest in full", "write NAME@sha256: and 64 digits")
    place, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        place, colon, tag = named, "", ""
    if _DIGEST.fullmatch(text):
        return Reference(form=Form.ENGINE, place="", digest=text)
    if colon and not _TAG.fullmatch(tag):
        raise _wrong(text, f"{tag!r} is no tag", f"write {_FORMS}")
    found = _NAME.fullmatch(place)
    if not found or len(place) > _LONGEST:
        raise _wrong(text, "it is no name of an image", f"write {_FORMS}")
    registry = place.partition("/")[0] if "/" in place else ""
    remote = any(c in registry for c in ".:[")  # localhost/… is how Podman calls what is on itself alone
    return Reference(form=Form.REGISTRY if remote else Form.ENGINE, place=place, tag=tag, digest=digest)


def _wrong(text: str, why: str, then: str) -> UsageError:
    return UsageError(f"image {text!r}: {why}", then=then)
