"""A home beside a real Docker and a real Podman that have the same images, one of which is busybox with small scripts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.runtimes.engines.real_engines import RealEngine, image
from tests.scenarios.servers import Product, product
from tests.scenarios.transcript import HERE

NOW = "/cgi-bin/now"
TELLS = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s %s\\n' "$ROLLOUT_RUNTIME" "$PORT"
"""
"""Answers with runtime and port."""
ENTRYPOINT = """
httpd -f -p "$PORT" -h /www &
trap 'exit 0' TERM
while true; do sleep 60 & wait $!; done
"""


@contextmanager
def beside(folder: Path, engines: tuple[RealEngine, ...], tag: str, files: Mapping[str, str]) -> Iterator[Product]:
    """The command line on a home in `folder`; each engine has an image `tag` whose web root answers by `NOW` and `files`."""
    archive = image(tag, {"Entrypoint": ["sh", "-c", ENTRYPOINT]}, {f"www{NOW}": TELLS, **files})
    with home_beside(folder, engines, [archive], "servers.toml") as made:
        yield made


@contextmanager
def home_beside(folder: Path, engines: Sequence[RealEngine], archives: Sequence[bytes], policy: str) -> Iterator[Product]:
    """The command line on a home in `folder` with this policy; each engine has the images of all archives."""
    for archive in archives:
        for engine in engines:
            engine.load(archive)
    with product(folder) as made:
        for engine in engines:
            made.env |= engine.environment
        made("policy", "use", str(HERE / policy))
        yield made
