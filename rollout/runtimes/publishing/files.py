"""Images that stand in a folder or a file of this host: judged whole by the strict reader, then handed to skopeo as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.errors import BrokenError, ImageRefusedError
from rollout.model.image import ImageDigest, Reference
from rollout.runtimes.images.image import Image
from rollout.runtimes.images.known import Known, Nothing
from rollout.runtimes.images.read import read_image
from rollout.runtimes.images.reason import Reason
from rollout.runtimes.publishing import stage

ABSENT = frozenset({Reason.NOT_AN_IMAGE, Reason.MISSING, Reason.NO_SUCH_TAG})
"""Where these are said of what is looked for by its digest, it may stand somewhere else."""


class Absent(Exception):
    """What is looked for is not there, or not any more; why."""


def look(reference: Reference) -> ImageDigest:
    """What the reference stands for, by its documents alone; the layers are judged when it is published.

    ImageRefusedError for documents that are damaged or lie.
    """
    found = read_image(Path(reference.place), tag=reference.tag or None, whole=False)
    return ImageDigest(digest=found.digest, config=found.config_digest)


@contextmanager
def staged(
    reference: Reference, image: ImageDigest, scratch: Path, known: Known, *, for_docker: bool
) -> Iterator[tuple[Image, str]]:
    """The very image, by its digest wherever tags point to now, as skopeo takes it; judged whole before, but for `known` layers.

    Absent where it is not there any more. ImageRefusedError for whatever is wrong with it, also where that is found within.
    """
    path = Path(reference.place)
    found = _judged(reference, image, known)
    try:
        if found.manifest_digest is None:
            yield found, f"docker-archive:{path}" + (f":{reference.tag}" if reference.tag else "")
        else:
            with stage.staged(path, found, scratch, plainly=for_docker) as folder:
                yield found, f"oci:{folder}"
    except BrokenError:
        _judged(reference, image, Nothing())  # a known layer may be another one by now: then the reader says so
        raise


def _judged(reference: Reference, image: ImageDigest, known: Known) -> Image:
    try:
        found = _read(reference, image, whole=True, known=known)
    except ImageRefusedError as error:
        if error.reason in ABSENT and not _stands(reference, image):
            raise Absent(error.what) from error
        raise
    if found.config_digest != image.config:
        raise Absent(f"{reference.name} now holds {found.digest}")
    return found


def _stands(reference: Reference, image: ImageDigest) -> bool:
    """The image's own documents are there: what is missing then is a part of it."""
    try:
        return _read(reference, image, whole=False, known=Nothing()).config_digest == image.config
    except ImageRefusedError:
        return False


def _read(reference: Reference, image: ImageDigest, *, whole: bool, known: Known) -> Image:
    digest = image.digest if image.digest != image.config else None
    return read_image(Path(reference.place), tag=reference.tag or None, digest=digest, whole=whole, known=known)
