"""What a service that is gone leaves in the volumes of its home."""

import shlex
from collections.abc import Iterable, Iterator

from rollout.model.fleet import Service
from rollout.model.volumes import Mount, mount
from rollout.runtimes.engines.volumes import FOLDER, Volumes
from rollout.wiring.home import Home
from rollout.wiring.seen import folder


def staying(home: Home, gone: Service, others: Iterable[Service]) -> Iterator[str]:
    """In words: each volume of the service that is there, with who else mounts it, else with the command that removes it."""
    volumes, left = Volumes(folder(home.path) / FOLDER), list(others)
    for name, wanted in _named(gone).items():
        place = volumes.place(gone.environment, wanted)
        if not place.is_dir():
            continue
        mounted = [other.id for other in left if other.environment == gone.environment and name in _named(other)]
        then = f"{' and '.join(mounted)} may mount it too" if mounted else f"nobody mounts it; rm -r {shlex.quote(str(place))}"
        yield f"its volume {name} stays in {place}: {then}"


def _named(service: Service) -> dict[str, Mount]:
    """The volumes that the home keeps for it; folders of the host are others'."""
    found = {}
    for text in service.volumes:
        try:
            wanted = mount(text, service.name)
        except ValueError:  # nothing was ever mounted there
            continue
        if wanted.named:
            found[wanted.source] = wanted
    return found
