"""What an image is, once everything of it was checked."""

import platform as machine
from dataclasses import dataclass, field

from rollout.errors import UsageError

_SAME = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i386": "386", "i686": "386"}
_IMPLIED = {("arm64", "v8"), ("amd64", "v1"), ("arm", "v7")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What an image runs on, in the words of OCI. A variant that its architecture implies (arm64/v8) is left out."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> "Platform":
        """The platform, its implied variant left out."""
        return cls(os=os, architecture=architecture, variant="" if (architecture, variant) in _IMPLIED else variant)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """The platform that `linux/arm64` or `linux/arm/v6` names. UsageError for what is not written so."""
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(parts):
            raise UsageError(f"{text or 'an empty text'} is not a platform", then="write it like linux/amd64 or linux/arm/v6")
        return cls.of(*parts)

    def like(self, other: "Platform") -> bool:
        """The same but for the variant."""
        return (self.os, self.architecture) == (other.os, other.architecture)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def here() -> Platform:
    """What containers run on here: linux, on this machine's processor."""
    processor = machine.machine().lower()
    return Platform.of("linux", _SAME.get(processor, processor))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. `size`: bytes as stored; `unpacked`: bytes of its tar; `diff_id`: digest of that tar; `files`: its entries."""

    digest: str
    size: int
    diff_id: str
    compression: str
    unpacked: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that may be published: every digest, size, diff_id and media type was checked, and every name in its layers.

    `manifest_digest` is what a plan pins; None for what `docker save` wrote in its old form, which has no manifest: there the
    `config_digest` names it, as Docker's image id does. `ports` as `8080/tcp`. `env` may hold secrets.
    `media_type`: of the manifest. `layers` is empty where they were not asked for.
    """

    reference: str
    manifest_digest: str | None
    config_digest: str
    platform: Platform
    layers: tuple[Layer, ...]
    media_type: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    working_dir: str = ""
    stop_signal: str = ""
    ports: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What names this image for ever."""
        return self.manifest_digest or self.config_digest
