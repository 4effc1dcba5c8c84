"""Which image of a layout is meant: by tag, then by platform, through indexes within indexes."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rollout.runtimes.images.config import config
from rollout.runtimes.images.descriptor import CONFIGS, INDEXES, MANIFESTS, Descriptor, descriptor, document, expect, same_kind
from rollout.runtimes.images.documents import Doc
from rollout.runtimes.images.image import Platform
from rollout.runtimes.images.known import Known, Nothing
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Reason, Refused, about, plainly, shown
from rollout.runtimes.images.source import Source

_UNKNOWN = "unknown"
_NAMED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which image is meant: by its digest, where there is one, else by tag and platform. `show`: the command that looks at it.

    With `whole` False its layers are not read: what is asked is what it is called, not whether it is good. Layers of a layout
    that are `known` are not read either.
    """

    tag: str | None
    platform: Platform
    show: str
    digest: str | None = None
    whole: bool = True
    known: Known = field(default_factory=Nothing)


@dataclass(slots=True)
class Offers:
    """The images that indexes lead to, each with its platform."""

    source: Source
    limits: Limits
    found: list[tuple[Platform, Descriptor]] = field(default_factory=list)
    _opened: set[str] = field(default_factory=set)

    def gather(self, listed: Iterable[Descriptor], depth: int = 1) -> None:
        """What these lead to is among those found; an index is opened, a manifest only where nobody says its platform."""
        for one in listed:
            if one.attests or (one.platform and one.platform.os == _UNKNOWN):
                continue
            expect(one, INDEXES | MANIFESTS, "an index or a manifest")
            if one.media_type in INDEXES:
                self._inner(one, depth)
            else:
                self.found.append((one.platform or self._looked_up(one), one))

    def _inner(self, index: Descriptor, depth: int) -> None:
        if depth >= self.limits.depth:
            with about("index", index.digest):
                raise Refused(Reason.TOO_DEEP, f"is more than {self.limits.depth} indexes deep")
        if index.digest not in self._opened:
            self.gather(listed(self._open(index, "index"), index), depth + 1)

    def _looked_up(self, one: Descriptor) -> Platform:
        manifest = self._open(one, "manifest")
        with about("manifest", one.digest):
            same_kind(manifest, one, index=False)
            of = descriptor(manifest.inner("config"))
            expect(of, CONFIGS, "the config of an image")
        doc = self._open(of, "config")
        with about("config", of.digest):
            return config(doc, of.digest).platform

    def _open(self, one: Descriptor, what: str) -> Doc:
        self._opened.add(one.digest)
        if len(self._opened) > self.limits.manifests:
            raise Refused(Reason.TOO_LONG, f"names more than {self.limits.manifests:,} manifests without their platform")
        return document(self.source, one, what, self.limits)


def listed(index: Doc, of: Descriptor) -> list[Descriptor]:
    """What an index lists."""
    with about("index", of.digest):
        same_kind(index, of, index=True)
        return [descriptor(one) for one in index.many("manifests")]


def tagged(found: Sequence[Descriptor], wanted: Wanted) -> list[Descriptor]:
    """Those of the tag that is meant; all where none is asked for and all tags are of one image."""
    named = {one.tags[0]: one.digest for one in found if one.tags and not one.attests}
    tags = sorted(named)
    if wanted.tag is None and len(set(named.values())) > 1:
        raise _choice(Reason.WHICH, f"holds {len(tags)} images: {some(tags)}", tags, wanted)
    chosen = [one for one in found if wanted.tag is None or wanted.tag in one.tags]
    if not chosen and wanted.tag is not None:
        told = f"has no tag {shown(wanted.tag)}; there are: {some(tags) or 'none'}"
        raise _choice(Reason.NO_SUCH_TAG, told, tags, wanted)
    return chosen


def of_platform(found: Sequence[tuple[Platform, Descriptor]], wanted: Wanted) -> Descriptor:
    """The image for that platform: as asked for, else the only one that differs in nothing but a variant nobody asked for."""
    exact = [one for platform, one in found if platform == wanted.platform]
    similar = [(platform, one) for platform, one in found if not wanted.platform.variant and platform.like(wanted.platform)]
    if exact:
        return exact[0]
    if len({platform for platform, _ in similar}) == 1:
        return similar[0][1]
    raise no_platform([platform for platform, _ in found], wanted)


def no_platform(there: Iterable[Platform], wanted: Wanted) -> Refused:
    """There is none for what is wanted; what there is."""
    names = sorted(set(map(str, there)))
    told = f"is not for {wanted.platform}; it is for: {some(names) or 'none'}"
    then = f"{wanted.show} --platform {shlex.quote(plainly(names[0]))}" if names else ""
    return Refused(Reason.NO_SUCH_PLATFORM, told, then=then)


def _choice(reason: Reason, told: str, tags: Sequence[str], wanted: Wanted) -> Refused:
    return Refused(reason, told, then=f"{wanted.show} --tag {shlex.quote(plainly(tags[0]))}" if tags else wanted.show)


def some(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    told = ", ".join(plainly(name) for name in names[:_NAMED])
    return f"{told} and {len(names) - _NAMED} more" if len(names) > _NAMED else told
