"""One small file per address of a service in a room: named by the address, it holds the service's host name."""

import contextlib
from pathlib import Path

from rollout.errors import BrokenError


class Addresses:
    """The folder of them. One process writes it (the host part), a service's files one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """The folder is there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, address: str, host_name: str) -> None:
        """Requests to the address are meant for this name. Nothing is written where it says so already: the disk may be full."""
        if self.read(address) == host_name:
            return
        fresh = self.folder / f".{host_name}"
        try:
            fresh.write_text(f"{host_name}\n", encoding="ascii")
            fresh.replace(self.folder / address)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise BrokenError(
                f"cannot write the address of {host_name}: {error.strerror}",
                state="neighbours cannot ask it by its name",
                then=f"make room under {self.folder}, then try again",
            ) from error

    def read(self, address: str) -> str | None:
        """The host name of the service that has it."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / address).read_text(encoding="ascii", errors="replace").rstrip("\n")
        return None

    def remove(self, address: str, host_name: str) -> None:
        """The address is unknown, unless another service has it by now. Idempotent."""
        if self.read(address) == host_name:
            (self.folder / address).unlink(missing_ok=True)
