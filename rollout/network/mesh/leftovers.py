"""What carries the home's mark on this machine and belongs to no record: somebody has removed the files, or half of them."""

from collections.abc import Iterator

from rollout.network.mesh import links, namespaces
from rollout.network.mesh.marks import Mark
from rollout.network.mesh.outlets import Outlets
from rollout.network.mesh.state import State
from rollout.network.mesh.tunnels import Tunnels


class Leftovers:
    """Finds and ends them. Records are written before anything is made, so nothing that is just being made is one."""

    def __init__(self, state: State, mark: Mark, tunnels: Tunnels, outlets: Outlets) -> None:
        self._outlets = outlets
        self._state = state
        self._mark = mark
        self._tunnels = tunnels
        self._looked = False

    def clear(self) -> Iterator[str]:
        """What was found, in words. Namespaces each time; tunnels, which are dear to look for, at the first time only."""
        if not self._looked:
            for name in self._tunnels.clear(self._mark.links, self._links):
                yield f"a tunnel that nobody knew is gone: {name}"
        self._looked = True
        found = set(namespaces.strays(self._mark.namespaces))
        for path in sorted(found - self._paths()):
            namespaces.drop(path)
            yield f"a namespace that nobody knew is gone: {path}"

    def clear_all(self) -> None:
        """Nothing with the mark is left, known or not."""
        self._tunnels.clear(self._mark.links, set)
        self._outlets.clear()
        for path in namespaces.strays(self._mark.namespaces):
            namespaces.drop(path)
        links.remove(self._mark.links)
        namespaces.tidy()

    def _paths(self) -> set[str]:
        rooms = {self._mark.room_path(known.number, known.generation) for known in self._state.environments.all().values()}
        return rooms | {self._mark.member_path(known.number) for known in self._state.members.all().values()}

    def _links(self) -> set[str]:
        environments = self._state.environments.all().values()
        hubs = {link(known.number) for known in environments for link in (self._mark.hub_link, self._mark.outlet_link)}
        return hubs | {self._mark.member_link(known.number) for known in self._state.members.all().values()}
