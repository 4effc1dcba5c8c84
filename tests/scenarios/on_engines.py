"""A home beside a real Docker and a real Podman that have the same image: busybox that answers by small scripts."""

from collections.abc import Iterator, Mapping
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
    for engine in engines:
        engine.load(archive)
    with product(folder) as made:
        for engine in engines:
            made.env |= engine.environment
        made("policy", "use", str(HERE / "servers.toml"))
        yield made
