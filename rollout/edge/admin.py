"""What is asked of a running Envoy, over its admin socket."""

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from rollout.errors import BrokenError, TransientError

SOCKET = "admin.sock"
SOCKET_PATH_BYTES = 100
TIMEOUT_S = 5.0


class Admin:
    """The admin interface behind the Unix socket at `path`. TransientError when nobody answers there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        transport = httpx.HTTPTransport(uds=str(path), verify=False)  # no TLS here: spare the reading of certificates
        self._client = httpx.Client(transport=transport, base_url="http://edge", timeout=TIMEOUT_S)

    def close(self) -> None:
        """The connection is closed for good."""
        self._client.close()

    def active(self, addresses: Sequence[str]) -> int:
        """Requests and upgraded connections that are open to these addresses now."""
        return active_requests(self.ask("GET", "/clusters"), addresses)

    def ask(self, method: str, path: str) -> str:
        """The text of the answer."""
        try:
            _knock(self.path)
            return self._client.request(method, path).text
        except (OSError, httpx.HTTPError) as error:
            raise TransientError(
                f"the edge does not answer on its admin socket: {error}",
                state="its routes are on disk, it follows them when it runs",
                then="rollout up",
            ) from error


def active_requests(clusters: str, addresses: Sequence[str]) -> int:
    """Sum of `rq_active` over all rows of these addresses: an address may have several, in each cluster."""
    wanted = set(addresses)
    total = 0
    for line in clusters.splitlines():
        row, mark, number = line.partition("::rq_active::")
        if mark and row.partition("::")[2] in wanted:
            total += int(number)
    return total


def socket_path(folder: Path) -> Path:
    """In the folder itself, or where that path is too long for a socket, in a short one that is this folder's alone."""
    if len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES:
        return folder / SOCKET
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"rollout-edge-{os.getuid()}-{digest}" / SOCKET


def own_folder(path: Path) -> None:
    """The folder is there, ours, and closed to others: its name can be guessed, and it stands where all may write."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BrokenError(
            f"{path} is not a folder of ours alone, but the edge needs it for its admin socket",
            then=f"look who made {path}, then remove it",
        )


def _knock(path: Path) -> None:
    """Somebody listens on this Unix socket, else OSError. httpx leaves its own socket open when nobody does."""
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(TIMEOUT_S)
        knocking.connect(str(path))
