"""How much an image may hold. All of it is looked at while it streams by: what is too much is never unpacked."""

from dataclasses import dataclass

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that is accepted; one more is refused.

    `layer_bytes`: what one layer unpacks to, its tar headers included (8 GiB). `image_bytes`: all layers (32 GiB). `files`:
    entries of all layers, directories and whiteouts included (500,000). `layers`: 125, the most that Docker takes.
    `document_bytes`: of an index, manifest or config (4 MiB, as registries have it). `header_bytes`: of one extended header
    (1 MiB, as Go's tar reader has it, which the engines use). `depth`: of indexes within indexes. `manifests`: of documents that
    are opened to find the platform.
    """

    layer_bytes: int = 8 * GIB
    image_bytes: int = 32 * GIB
    files: int = 500_000
    layers: int = 125
    document_bytes: int = 4 * MIB
    header_bytes: int = MIB
    depth: int = 4
    manifests: int = 1_000


@dataclass(slots=True)
class Room:
    """What of the limits is left for the layers that are still to be read."""

    bytes: int
    files: int
    most_files: int

    @classmethod
    def of(cls, limits: Limits) -> "Room":
        """All of it."""
        return cls(limits.image_bytes, limits.files, limits.files)
