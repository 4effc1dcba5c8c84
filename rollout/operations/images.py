"""The images of this home on the engines: which there are, who needs them, and removing those that nobody does."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.host.images import ImageShelf, Stocked
from rollout.model.fleet import EngineName
from rollout.store.database import Database
from rollout.store.images import Use, uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One image of ours. `image`: NAME@DIGEST as releases tell it, else the name on its engines. `size` in bytes."""

    image: str
    config: str
    size: int
    engines: tuple[EngineName, ...]
    names: tuple[Stocked, ...]
    uses: tuple[Use, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """Who may still launch it, and why; empty where nobody does."""
        return tuple(f"{use.service} {', '.join(use.needs)} (release {use.release})" for use in self.uses if use.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What became of one image that nobody needs: `kept` says by which engine it was kept and why; empty where it is gone."""

    image: Listed
    kept: tuple[str, ...]


def listed(shelf: ImageShelf, database: Database) -> Sequence[Listed]:
    """All images of this home that the engines have, in the order of their names."""
    stocked: defaultdict[str, list[Stocked]] = defaultdict(list)
    for one in shelf.stocked_images():
        stocked[one.config].append(one)
    with database.reading() as session:
        known = uses(session, stocked.keys())
    found = [_listed(config, names, known.get(config, ())) for config, names in stocked.items()]
    return sorted(found, key=lambda one: (one.image, one.config))


def _listed(config: str, names: Sequence[Stocked], used: Sequence[Use]) -> Listed:
    return Listed(
        image=used[-1].image if used else names[0].name.rpartition("/")[2],
        config=config,
        size=max(one.size for one in names),
        engines=tuple(sorted({one.engine for one in names})),
        names=tuple(names),
        uses=tuple(used),
    )


def prune(shelf: ImageShelf, images: Sequence[Listed]) -> Sequence[Pruned]:
    """Of these, what nobody needs is gone from all engines; others are left out. A container that uses one keeps it."""
    return [Pruned(image=one, kept=_dropped(shelf, one)) for one in images if not one.needed]


def _dropped(shelf: ImageShelf, image: Listed) -> tuple[str, ...]:
    said = [(one.engine, shelf.drop_image(one.engine, one.name)) for one in image.names]
    return tuple(f"{engine}: {why}" for engine, why in said if why)
