"""Debian's docker-registry of a test, on a free port of this host's loopback, with or without a login."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

USER, PASSWORD = "ann", "sesame-opens"
HTPASSWD = f"{USER}:$2b$04$51LFmdiE77Zfphepg3P5PucPLd30AvR5q09aDo.N6WoKJJfXcoBnS\n"
CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{folder}/data"}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
LOGIN = """
auth: {{htpasswd: {{realm: test, path: "{folder}/htpasswd"}}}}
"""
READY_S = 30.0


@contextmanager
def registry(folder: Path, *, login: bool = False) -> Iterator[str]:
    """`127.0.0.1:PORT` where it answers."""
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = CONFIG + (LOGIN if login else "")
    (folder / "config.yml").write_text(config.format(folder=folder, port=port))
    (folder / "htpasswd").write_text(HTPASSWD)
    env = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log, env=env)
    try:
        limit = time.monotonic() + READY_S
        while not _answers(port):
            assert running.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < limit, "the registry did not answer in time"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/v2/", timeout=2).status_code in {200, 401}
    return False


def push(source: str, name: str, *, login: bool = False) -> None:
    """The registry has what skopeo finds there."""
    creds = ("--dest-creds", f"{USER}:{PASSWORD}") if login else ()
    words = ("skopeo", "copy", "--quiet", "--dest-tls-verify=false", *creds, source, f"docker://{name}")
    subprocess.run(words, check=True, capture_output=True)
