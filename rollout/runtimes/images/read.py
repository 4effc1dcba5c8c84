"""The image at a path, whatever form it has: read, checked whole, or refused with one clear error."""

import shlex
from pathlib import Path

from rollout.errors import ImageRefusedError
from rollout.runtimes.images import layout, saved
from rollout.runtimes.images.choose import Wanted
from rollout.runtimes.images.image import Image, Platform, here
from rollout.runtimes.images.known import Known, Nothing
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Reason, Refused, plainly, then
from rollout.runtimes.images.source import Source, source

_DEFAULT = Limits()
_NOTHING = Nothing()


def read_image(
    path: Path,
    *,
    tag: str | None = None,
    digest: str | None = None,
    platform: Platform | None = None,
    limits: Limits = _DEFAULT,
    whole: bool = True,
    known: Known = _NOTHING,
    named: str = "",
) -> Image:
    """The image in the layout or archive at this path, for this platform (None: this machine's), everything of it verified.

    With `digest` it is the manifest of that digest in a layout, wherever tags point to. With `whole` False its documents are
    verified, and its layers are not looked at. Layers of a layout that are `known` are not read again: `known.py` says why that
    is safe. What is refused is told of `named`, where the path is not what people know it by.

    It is read and never unpacked: nothing anywhere changes. Its files are not guarded afterwards: who publishes it verifies the
    digests again while copying. ImageRefusedError for whatever is wrong with it.
    """
    show = f"rollout image show {shlex.quote(str(path))}"
    wanted = Wanted(tag=tag, platform=platform or here(), show=show, digest=digest, whole=whole, known=known)
    reference = named or (f"{path}@{digest}" if digest else f"{path}:{tag}" if tag else str(path))
    try:
        return _read(path, reference, wanted, limits)
    except Refused as refused:
        part = f": {refused.part} {refused.digest}" if refused.digest else ""
        what = f"image {plainly(reference)}{part} {refused.told}"
        next_ = refused.then or then(refused.reason, show, limits)
        raise ImageRefusedError(what, reason=refused.reason, image=reference, digest=refused.digest, then=next_) from refused


def _read(path: Path, reference: str, wanted: Wanted, limits: Limits) -> Image:
    opened = source(path, limits)
    try:
        return _of(opened, reference, wanted, limits)
    finally:
        opened.close()


def _of(opened: Source, reference: str, wanted: Wanted, limits: Limits) -> Image:
    is_saved = opened.size(saved.MARK) is not None
    if opened.size(layout.MARK) is None:
        if not is_saved:
            raise Refused(Reason.NOT_AN_IMAGE, "is neither an OCI image layout nor what docker save writes")
        return saved.read_saved(opened, reference, wanted, limits)
    found = layout.read_layout(opened, reference, wanted, limits)
    if is_saved and found.config_digest not in saved.configs(opened, limits):
        told = "is a layout and a docker archive at once, and they hold different images"
        raise Refused(Reason.TWO_STORIES, told)
    return found
