"""Descriptors and media types: what a document says of another one, held against what that one is."""

from collections.abc import Iterable
from dataclasses import dataclass

from rollout.runtimes.images import compression
from rollout.runtimes.images.digests import Summed, blob, digest
from rollout.runtimes.images.documents import Doc, parsed
from rollout.runtimes.images.image import Platform
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Reason, Refused, about, shown
from rollout.runtimes.images.source import Source, whole

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
INDEXES = frozenset({f"{_OCI}index.v1+json", f"{_DOCKER}distribution.manifest.list.v2+json"})
MANIFESTS = frozenset({f"{_OCI}manifest.v1+json", f"{_DOCKER}distribution.manifest.v2+json"})
MANIFEST, CONFIG = f"{_OCI}manifest.v1+json", f"{_OCI}config.v1+json"
CONFIGS = frozenset({f"{_OCI}config.v1+json", f"{_DOCKER}container.image.v1+json"})
LAYERS = {
    f"{_OCI}layer.v1.tar": compression.PLAIN,
    f"{_OCI}layer.v1.tar+gzip": compression.GZIP,
    f"{_OCI}layer.v1.tar+zstd": compression.ZSTD,
    f"{_OCI}layer.nondistributable.v1.tar": compression.PLAIN,
    f"{_OCI}layer.nondistributable.v1.tar+gzip": compression.GZIP,
    f"{_OCI}layer.nondistributable.v1.tar+zstd": compression.ZSTD,
    f"{_DOCKER}image.rootfs.diff.tar": compression.PLAIN,
    f"{_DOCKER}image.rootfs.diff.tar.gzip": compression.GZIP,
    f"{_DOCKER}image.rootfs.diff.tar.zstd": compression.ZSTD,
    f"{_DOCKER}image.rootfs.foreign.diff.tar.gzip": compression.GZIP,
}
_OLD = f"{_DOCKER}distribution.manifest.v1"
_TAG = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"
_ATTESTS = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What is said of a blob. `tag`: its name in a layout. `attests`: it is about another image, and none itself."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    tags: tuple[str, ...] = ()
    attests: bool = False


def descriptor(doc: Doc) -> Descriptor:
    """The descriptor, its digest and size well formed."""
    notes = doc.inner("annotations")
    return Descriptor(
        media_type=doc.text("mediaType"),
        digest=digest(doc.text("digest")),
        size=doc.number("size"),
        platform=platform(doc.inner("platform")) if "platform" in doc else None,
        tags=tuple(filter(None, (notes.text(_TAG), notes.text(_FULL_NAME)))),
        attests=bool(notes.text(_ATTESTS)),
    )


def platform(doc: Doc) -> Platform:
    """The platform that an index or a config names."""
    return Platform.of(doc.text("os"), doc.text("architecture"), doc.text("variant"))


def expect(found: Descriptor, allowed: Iterable[str], what: str) -> None:
    """Its media type is one of these. Refused otherwise, as `what` it should have been."""
    if found.media_type in allowed:
        return
    with about("blob", found.digest):
        if found.media_type.startswith(_OLD):
            then = "copy it with skopeo copy --format oci, or build it again with a tool of today"
            raise Refused(Reason.OLD_MANIFEST, "is a manifest of schema 1", then=then)
        raise Refused(Reason.MEDIA_TYPE, f"is {shown(found.media_type)}, where {what} should be")


def there(source: Source, found: Descriptor) -> None:
    """The blob is there, as long as it should be."""
    with about("blob", found.digest):
        size = source.size(blob(found.digest))
        if size is None:
            raise Refused(Reason.MISSING, "is missing")
        if size != found.size:
            raise Refused(Reason.WRONG_SIZE, f"is {size:,} bytes long, and should be {found.size:,}")


def document(source: Source, found: Descriptor, part: str, limits: Limits) -> Doc:
    """The JSON document that is meant, its digest and size checked."""
    there(source, found)
    with about(part, found.digest):
        data = whole(source, blob(found.digest), limits.document_bytes)
        summed = Summed(iter([data]), found.digest.partition(":")[0])
        summed.drain()
        summed.expect(found.digest)
        return Doc(parsed(data))


def same_kind(doc: Doc, found: Descriptor, *, index: bool) -> None:
    """The document is what its descriptor says, an index or a manifest, and not both (CVE-2021-41190)."""
    both = "manifests" in doc and ("layers" in doc or "config" in doc)
    other = "layers" in doc or "config" in doc if index else "manifests" in doc
    said = doc.text("mediaType")
    if both or other or (said and said != found.media_type):
        told = f"is said to be {shown(found.media_type)}, and could be taken for something else"
        raise Refused(Reason.CONFUSED, told)
    if doc.number("schemaVersion") != 2:
        raise Refused(Reason.OLD_MANIFEST, "is not of schema 2")
