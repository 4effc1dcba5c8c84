"""What a driver has read of services beside their rows, many at once: releases, which never change, and what is fresh."""

from collections.abc import Iterable, Mapping, Sequence

from rollout.executor.world import World
from rollout.model.fleet import Footing, Placement, Release, Setting
from rollout.model.move import Move
from rollout.model.state import State

MOST = 4096


class Known:
    """Of one driver. Keeps few thousand releases; placements and settings only until they are read again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._releases: dict[tuple[str, int | None], Release | None] = {}
        self._met: Mapping[str, Footing] = {}
        self._settings: Mapping[str, Setting] = {}

    def meet(self, rows: Sequence[Move]) -> None:
        """Moves that begin, or whose release is not known, are about to be driven: what they stand on is read, and told."""
        new = [row.service for row in rows if row.release is None or (row.service, row.release) not in self._releases]
        if not new:
            return
        self._met = self._world.standing.footings_of(new)
        if len(self._releases) + len(new) > MOST:
            self._releases.clear()
        for service, footing in self._met.items():
            self._releases |= {(service, number): release for number, release in footing.releases.items()}
        self._world.meet(self._met)

    def source(self, row: Move) -> Placement | None:
        """The copy that runs on the source of a move that was just met."""
        footing = self._met.get(row.service)
        return next((p for p in footing.placements if p.runtime is row.source), None) if footing else None

    def release(self, row: Move) -> Release | None:
        """The release that the move runs; None where the store has none."""
        key = (row.service, row.release)
        if key not in self._releases:
            self._releases[key] = self._world.standing.release(*key)
        return self._releases[key]

    def read_settings(self, services: Iterable[str]) -> None:
        """From now on the settings of these are what the store has at this moment; of all others it is asked again."""
        names = list(services)
        self._settings = self._world.standing.settings_of(names) if names else {}

    def setting(self, service: str) -> Setting:
        """The setting as it was read last, or as it is."""
        found = self._settings.get(service)
        return found if found is not None else self._world.standing.setting(service)


def may_choose(row: Move) -> bool:
    """The next event of this move may write its service's setting."""
    return row.state is State.BAKING
