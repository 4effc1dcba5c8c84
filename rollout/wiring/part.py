"""Asking the host part that runs. Apart from `host`, which can start one and loads all that this takes."""

from rollout.host.client import Client
from rollout.wiring import seen
from rollout.wiring.home import Home
from rollout.wiring.seen import folder, own_version


def running(home: Home) -> bool:
    """The host part is kept (it may just be starting)."""
    return seen.running(home.path)


def client(home: Home) -> Client:
    """Asks the host part that runs; nothing is started. Every call is a HostGoneError where there is none."""
    return Client(folder(home.path), own_version(), lives=lambda: running(home))
