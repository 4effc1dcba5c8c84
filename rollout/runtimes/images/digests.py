"""Digests as OCI writes them, and streams that are summed up while they are read."""

import hashlib
import re
from collections.abc import Iterator

from rollout.runtimes.images.reason import Reason, Refused, shown

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def digest(text: str) -> str:
    """The same text. Refused unless it is a digest in full, of an algorithm that is known: it becomes part of a path."""
    if not _DIGEST.fullmatch(text):
        raise Refused(Reason.BAD_DIGEST, f"{shown(text)} is not a sha256 or sha512 digest")
    return text


def blob(of: str) -> str:
    """Where a layout keeps the blob of this digest."""
    algorithm, _, value = digest(of).partition(":")
    return f"blobs/{algorithm}/{value}"


class Summed:
    """Chunks of bytes that are handed on; what went by is known by digest and size."""

    def __init__(self, chunks: Iterator[bytes], algorithm: str = "sha256") -> None:
        self._chunks = chunks
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    def drain(self) -> None:
        """Everything that was left has gone by."""
        for _ in self:
            pass

    def expect(self, digest: str) -> None:
        """What went by has this digest. Refused otherwise."""
        if self.digest != digest:
            raise Refused(Reason.WRONG_DIGEST, f"is {self.digest} in truth")

    @property
    def digest(self) -> str:
        """Of what went by until now."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"
