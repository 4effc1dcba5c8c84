"""`rollout image list | prune`: the images of this home on the engines."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rollout.cli import console, plan_text
from rollout.cli.image_text import size
from rollout.model.image import shortly
from rollout.model.plain import to_plain
from rollout.operations.images import Listed, Pruned
from rollout.wiring import images as wiring

HEADER = ("image", "size", "on", "needed by")
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def register(app: typer.Typer) -> None:
    """Both commands are in the group."""
    app.command("list")(list_)
    app.command()(prune)


def list_(*, json: Json = False) -> None:
    """List the images that deploys and moves have published: on which engines they are, and who needs them."""
    found = wiring.listed(console.say)
    if json:
        console.emit({"images": [_data(one) for one in found]})
    elif not found:
        console.say("no images: a deploy of a service with an image publishes one")
    else:
        _print(found)


def prune(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False) -> None:
    """Remove images that nothing runs, no fallback may need and no plan has: those that rollout published, no others."""
    found = wiring.listed(console.say)
    free = [one for one in found if not one.needed]
    if not json:
        _tell_kept([one for one in found if one.needed])
        _print(free)
    if free:
        console.ask(f"Remove {len(free)} image{'s' * (len(free) != 1)}?", yes=yes)
    done = wiring.prune(console.say) if free else ()
    if json:
        console.emit({"pruned": [{**_data(one.image), "kept": list(one.kept)} for one in done]})
    else:
        _tell_done(done)


def _print(found: Sequence[Listed]) -> None:
    rows = [(shortly(one.image), size(one.size), ", ".join(one.engines), "; ".join(one.needed) or "nobody") for one in found]
    if not rows:
        return
    if sys.stdout.isatty():
        console.out().print(plan_text.table(HEADER, rows))
    else:
        sys.stdout.writelines("\t".join(row) + "\n" for row in (HEADER, *rows))


def _tell_kept(kept: Sequence[Listed]) -> None:
    for one in kept:
        console.say(f"keeps {shortly(one.image)}: {'; '.join(one.needed)}")


def _tell_done(done: Sequence[Pruned]) -> None:
    if not done:
        console.say("nothing to remove")
    for one in done:
        kept = "; ".join(one.kept)
        console.say(f"kept {shortly(one.image.image)}: {kept}" if kept else f"removed {shortly(one.image.image)}")


def _data(one: Listed) -> dict[str, object]:
    return {
        "image": one.image,
        "config_digest": one.config,
        "size": one.size,
        "engines": list(one.engines),
        "names": sorted({name.name for name in one.names}),
        "uses": to_plain(one.uses),
        "needed": list(one.needed),
    }
