"""What a move does to the world: pairs (do, undo) under one stored name. Every one is idempotent by token and fenced."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from rollout.executor.ports import NONE, Effects, Order
from rollout.executor.world import World
from rollout.model.fleet import Placement, Release, RuntimeName
from rollout.model.move import Move
from rollout.model.plain import iso
from rollout.model.values import value


@value(frozen=True, slots=True, kw_only=True)
class Task:
    """One effect of one move: the release it runs and the fence it carries."""

    row: Move
    release: Release
    fence: int
    deadline_s: float

    def order(self, side: RuntimeName, token: str) -> Order:
        """What that side's runtime is asked."""
        replicas = self.release.spec.replicas
        return Order(
            release=self.release, runtime=side, token=token, fence=self.fence, replicas=replicas, deadline_s=self.deadline_s
        )

    @property
    def target(self) -> Order:
        """The copy that the move makes."""
        return self.order(self.row.target, self.row.token)

    @property
    def source(self) -> Order:
        """The copy that the move replaces."""
        return self.order(self.row.source, self.row.source_token)

    @property
    def source_again(self) -> Order:
        """The copy that takes the source's place again after a gap."""
        return self.order(self.row.source, f"{self.row.token}.back")


Effect = Callable[[World, Task], Mapping[str, object] | None]
"""What is worth noting of it, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A pair. `blames_do`, `blames_undo`: a failure is the service's, not the tool's, and the move has failed."""

    do: Effect
    undo: Effect
    blames_do: bool = False
    blames_undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStep:
    """A step without a way back."""

    do: Effect
    undo: None = None


def _publish(world: World, task: Task) -> None:
    world.runtimes[task.row.target].publish(task.target)


def _unpublish(world: World, task: Task) -> None:
    world.runtimes[task.row.target].unpublish(task.target)


def _launch(world: World, task: Task) -> Mapping[str, object]:
    copy = world.runtimes[task.row.target].launch(task.target)
    took = {"launched_s": copy.launched_s, "discoverable_s": copy.discoverable_s}
    return {name: round(seconds, 3) for name, seconds in took.items() if seconds is not None}


def _stop(world: World, task: Task) -> None:
    world.runtimes[task.row.target].stop(task.target)


def _shift(world: World, task: Task) -> None:
    weight = task.row.steps[task.row.step]
    weights = {task.row.source: 100 - weight, task.row.target: weight}
    world.edge.weigh(task.row.service, weights, task.fence)


def _unshift(world: World, task: Task) -> None:
    world.edge.weigh(task.row.service, {task.row.source: 100, task.row.target: 0}, task.fence)


def _stop_source(world: World, task: Task) -> None:
    world.runtimes[task.row.source].stop(task.source)


def _launch_source(world: World, task: Task) -> None:
    world.runtimes[task.row.source].launch(task.source_again)
    _unshift(world, task)


STEPS: Mapping[str, Step | LastStep] = {
    "publish": Step(do=_publish, undo=_unpublish, blames_do=True),
    "launch": Step(do=_launch, undo=_stop, blames_do=True),
    "gap": Step(do=_stop_source, undo=_launch_source, blames_undo=True),
    "shift": Step(do=_shift, undo=_unshift),
    "finish": LastStep(do=_stop_source),
}


@lru_cache(maxsize=256)
def split(stored: str) -> tuple[str, bool]:
    """The key of a stored name (`launch`, `shift:10`, `undo:shift:10`), and whether its undo is meant."""
    undo = stored.startswith("undo:")
    return stored.removeprefix("undo:").partition(":")[0], undo


def effect(stored: str) -> Effect:
    """What runs under a stored name. KeyError for an unknown one; a last step has no undo."""
    key, undo = split(stored)
    step = STEPS[key]
    chosen = step.undo if undo else step.do
    if chosen is None:
        raise KeyError(stored)
    return chosen


def blames(stored: str) -> bool:
    """Whether a failure of this effect is the service's."""
    key, undo = split(stored)
    step = STEPS[key]
    return isinstance(step, Step) and (step.blames_undo if undo else step.blames_do)


def after(stored: str, task: Task, now: datetime) -> tuple[dict[str, object], Effects]:
    """What is true once the effect has ended well: changes of the row, and what the store notes of placements."""
    key, undo = split(stored)
    row = task.row
    changes: dict[str, object] = {"doing": None, "mark": iso(now)}
    if undo:
        name = stored.removeprefix("undo:")
        left = [s for s in row.begun if s != name and not (key == "shift" and s.startswith("shift:"))]
        changes["begun"] = left
    if key == "shift" or (key == "gap" and undo):
        changes["weight"] = 0 if undo else row.steps[row.step]
    if key == "gap" and undo:
        changes["source_token"] = task.source_again.token
    return changes, _noted(key, task, now, undo=undo)


def _noted(key: str, task: Task, now: datetime, *, undo: bool) -> Effects:
    row = task.row
    service, source, target = row.service, row.source, row.target
    if key == "launch":
        return Effects(unplace=((service, target),)) if undo else Effects(place=(_placement(task.target, 0, now),))
    if key == "shift":
        weight = 0 if undo else row.steps[row.step]
        return Effects(weigh=((service, source, 100 - weight), (service, target, weight)))
    if key == "gap" and undo:
        return Effects(place=(_placement(task.source_again, 100, now),))
    if key in {"gap", "finish"}:
        return Effects(unplace=((service, source),))
    return NONE


def _placement(order: Order, weight: int, now: datetime) -> Placement:
    return Placement(
        service=order.service,
        runtime=order.runtime,
        release=order.release.number,
        token=order.token,
        replicas=order.replicas,
        weight=weight,
        since=now,
    )
