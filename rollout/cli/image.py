"""`rollout image`: showing what an image is; what else there is stands in `image_shelf`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from rollout.cli import image_shelf, main, plan_text
from rollout.cli.console import emit, out, tell, tell_pairs
from rollout.cli.image_text import size
from rollout.cli.progress import working
from rollout.model.plain import to_plain
from rollout.runtimes.images.image import Image, Platform
from rollout.runtimes.images.limits import GIB, Limits
from rollout.runtimes.images.read import read_image
from rollout.runtimes.images.reason import plainly
from rollout.wiring import images as wiring

_LIMITS = Limits()
SHORT = len("sha256:") + 12
"""So much of a layer's digest is shown in a table; --json has it whole."""
UNPACKED = "The most that a layer may unpack to; all of them four times that."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("image"))


image_shelf.register(app)


@app.command()
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="PATH|SERVICE", help="A layout (folder or tar), what docker save wrote, or a service."),
    ],
    *,
    tag: Annotated[str | None, typer.Option("--tag", help="Which image, where there are several.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="Like linux/arm64. Else this machine's.")] = None,
    max_unpacked: Annotated[
        int, typer.Option("--max-unpacked", metavar="GIB", min=1, max=10_000, help=UNPACKED)
    ] = _LIMITS.layer_bytes // GIB,
    max_files: Annotated[
        int, typer.Option("--max-files", metavar="N", min=1, max=100_000_000, help="The most files of all layers.")
    ] = _LIMITS.files,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What an image is, read and checked whole: digests, sizes, and every name in its layers. Or why it is refused (exit 2).

    Nothing is unpacked, published or run.
    """
    layer = max_unpacked * GIB
    limits = Limits(layer_bytes=layer, image_bytes=layer * _LIMITS.image_bytes // _LIMITS.layer_bytes, files=max_files)
    wanted = None if platform is None else Platform.parse(platform)
    with working("checking"):
        found = wiring.place(what)
        image = read_image(Path(found.path), tag=tag or found.tag, digest=found.digest, platform=wanted, limits=limits)
    if as_json:
        emit({"image": _data(image)})
    else:
        _tell(image)


def _tell(image: Image) -> None:
    names = [plainly(name) for name in sorted(image.env)]
    pairs = [
        ("image", plainly(image.reference)),
        ("digest", image.manifest_digest or "none: a docker archive has no manifest"),
        ("config", image.config_digest),
        ("platform", plainly(str(image.platform))),
        ("runs", plainly(shlex.join((*image.entrypoint, *image.command))) or "nothing of itself"),
        ("as", plainly(image.user or "root")),
        ("in", plainly(image.working_dir or "/")),
        ("stopped by", plainly(image.stop_signal or "SIGTERM")),
        ("ports", ", ".join(image.ports) or "none named"),
        ("env", ", ".join(names) or "none"),
    ]
    tell_pairs(pairs)
    tell("")
    rows = [(one.digest[:SHORT], one.compression, size(one.size), size(one.unpacked), f"{one.files:,}") for one in image.layers]
    out().print(plan_text.table(("layer", "packed", "stored", "unpacks to", "files"), rows))


def _data(image: Image) -> dict[str, object]:
    """As it is, the values of env left out: they may be secrets."""
    return {
        "reference": image.reference,
        "digest": image.digest,
        "manifest_digest": image.manifest_digest,
        "config_digest": image.config_digest,
        "platform": str(image.platform),
        "entrypoint": list(image.entrypoint),
        "command": list(image.command),
        "env_names": sorted(image.env),
        "user": image.user,
        "working_dir": image.working_dir,
        "stop_signal": image.stop_signal,
        "ports": list(image.ports),
        "layers": [to_plain(one) for one in image.layers],
    }
