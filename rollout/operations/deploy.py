"""`service deploy | stop | restart`: making a release, and what runs of a service."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rollout.errors import BrokenError, RolloutError, UsageError, WaitingError
from rollout.executor.ports import Clock, Leases, Order
from rollout.model.fleet import EngineName, Placement, Release, Service
from rollout.model.lease import Holder, Lease
from rollout.model.masking import mask
from rollout.model.state import State
from rollout.operations import fleet as fleet_of
from rollout.operations.deployable import Machine, doubts, nothing_to_deploy, refuse_what_cannot_run, with_image
from rollout.operations.driving import driving
from rollout.operations.replace import Change, Live, order_for, put_in_place
from rollout.store.deploys import Deployed, Deploys, Standing
from rollout.store.services import Services

Tell = Callable[[str, str], None]
"""Tells a person one line about a service."""
BringBack = Callable[[str, str], None]
"""Brings a service in the middle of a move back to where it ran, for an owner's act (`deploy`, `stop`); raises WaitingError
where it must wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What these operations need. `live` is asked only for services that have real instances: it starts the host part."""

    deploys: Deploys
    leases: Leases
    holder: Holder
    live: Callable[[], Live]
    bring_back: BringBack
    read_env_file: Callable[[Path], Mapping[str, str]]
    clock: Clock
    engine: EngineName = EngineName.PROCESS
    machine: Machine | None = None
    tell: Tell = lambda _service, _line: None
    done: Callable[[], None] = lambda: None  # called when one of many is deployed, or is not; from any thread

    @property
    def who(self) -> str:
        """The person who asks."""
        return self.holder.user


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one service: a deploy, or the error that it ended in. `unblocked`: its block has ended by it.

    `left_out`: why it was passed over, where what it is keeps it from being deployed at all.
    """

    service: str
    deployed: Deployed | None = None
    unblocked: bool = False
    error: RolloutError | None = None
    left_out: str = ""


def deploy(means: Means, service: Service, *, number: int | None = None) -> Result:
    """A release of the service runs where the service runs, or on its setting's runtime where it runs nowhere.

    With `number` that old release; the setting stays as it is. BrokenError when it is not fit: what ran before runs on.
    """
    release = _old(means, service, number) if number is not None else _new(means, service)
    refuse_what_cannot_run(release.spec)
    for doubt in doubts(release.spec, means.machine) if means.machine else ():
        means.tell(service.id, doubt)
    means.bring_back(service.id, "deploy")
    if release.spec.engine is EngineName.MEMORY:
        return _note(means, [service], number)[0]
    with driving(means.leases, service.id, means.holder) as lease:
        if number is None:
            release = replace(release, number=means.deploys.next_number(service.id))
        return _run(means, _Task(release=release, new=number is None, what="deploy", lease=lease))


def restart(means: Means, service: Service) -> Result:
    """The release that runs is replaced by a new copy of itself. UsageError where the service runs nowhere."""
    means.bring_back(service.id, "restart")
    placement = means.deploys.standing([service.id])[service.id].placement
    if placement is None:
        raise UsageError(f"{service.id} does not run", then=f"rollout service deploy {service.id}")
    release = _release(means, placement)
    if release.spec.engine is EngineName.MEMORY:
        return Result(service=service.id)
    with driving(means.leases, service.id, means.holder) as lease:
        return _run(means, _Task(release=release, new=False, what="restart", lease=lease))


def stop(means: Means, service: str) -> Sequence[Placement]:
    """Nothing of the service runs, and the edge does not know it; the answer is what ran. Its releases are kept."""
    means.bring_back(service, "stop")
    placed = means.deploys.placements(service)
    if not placed:
        return ()
    with driving(means.leases, service, means.holder) as lease:
        refuse(means.deploys, service, "stop")
        release = _release(means, placed[0])
        if release.spec.engine is not EngineName.MEMORY:
            _end(means.live(), release, lease)
        means.deploys.unplace(service, [one.runtime for one in placed], who=means.who, lease=lease)
    return placed


def deploy_every(means: Means, services: Sequence[Service], *, at_once: int = 8) -> Sequence[Result]:
    """Like `deploy_many`, but passes over what has nothing to run or is run by the clock: it says so and is no error."""
    able = [one for one in services if not nothing_to_deploy(one)]
    by_id = {result.service: result for result in deploy_many(means, able, at_once=at_once)}
    return [by_id.get(one.id) or Result(service=one.id, left_out=nothing_to_deploy(one)) for one in services]


def remove(means: Means, fleet: Services, service: Service, *, why: str = "") -> None:
    """The service is gone with all that hangs on it. Its move is brought back or finished first, then what runs is stopped."""
    means.bring_back(service.id, "remove")
    stop(means, service.id)
    fleet_of.remove(fleet, service, who=means.who, why=why)


def deploy_many(means: Means, services: Sequence[Service], *, at_once: int = 8) -> Sequence[Result]:
    """Each service is deployed, `at_once` of them at a time; what fails is in its result and keeps no other from going on."""
    able = [one for one in services if not nothing_to_deploy(one)]
    plain = [one for one in able if _engine(means, one) is EngineName.MEMORY]
    moving = means.deploys.moving(one.id for one in plain)
    noted = _note(means, [one for one in plain if one.id not in moving], None)
    done = {result.service for result in noted}
    rest = [one for one in services if one.id not in done]
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="deploy") as pool:
        for end in (ends := [pool.submit(_tried, means, one) for one in rest]):
            end.add_done_callback(lambda _: means.done())
        tried = [end.result() for end in ends]
    by_id = {result.service: result for result in (*noted, *tried)}
    return [by_id[one.id] for one in services]


def refuse(deploys: Deploys, service: str, verb: str) -> None:
    """BringBack where nobody can bring a service back: a service in the middle of a move must wait (WaitingError)."""
    state = deploys.moving([service]).get(service)
    if state is not None:
        raise WaitingError(
            f"{service} is {state.value.replace('_', ' ')}: {verb} must wait until its move has ended",
            then=f"rollout status, or bring it back first: rollout revert {service}"
            if state is not State.WARM
            else f"rollout execute its wave to finish it, then rollout service {verb} {service}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    release: Release
    new: bool
    what: str
    lease: Lease


def _run(means: Means, task: _Task) -> Result:
    live, service, fence = means.live(), task.release.service, task.lease.number
    refuse(means.deploys, service, task.what)
    standing = means.deploys.standing([service])[service]
    placement = standing.placement
    old = _order_of(means, placement, fence) if placement else None
    side = placement.runtime if placement else standing.setting.runtime
    if task.new:
        with _noting(means, task):
            task = replace(task, release=with_image(live, task.release, side))
    token = f"{task.what}-{fence}.{task.release.spec.name}.{task.release.spec.environment}"
    results: list[Result] = []

    def record(placed: Placement) -> None:
        brought_back = old is not None and placed.token != token
        done = Deployed(
            release=old.release if old is not None and brought_back else task.release,
            placement=placed,
            new=task.new and not brought_back,
            what="bring back" if brought_back else task.what,
            replaced=placement.release if placement else None,
        )
        freed = means.deploys.record([done], who=means.who, lease=task.lease)
        results.append(Result(service=service, deployed=done, unblocked=service in freed))

    new = order_for(task.release, side, token, fence=fence)
    with _noting(means, task):
        put_in_place(live, Change(new=new, old=old, record=record, say=lambda line: means.tell(service, line)))
    return results[-1]


@contextmanager
def _noting(means: Means, task: _Task) -> Iterator[None]:
    """What fails within is in the log."""
    try:
        yield
    except BrokenError as error:
        why = mask(error.what, task.release.spec.env.values())
        means.deploys.failed(task.release.service, task.what, who=means.who, why=why)
        raise


def _tried(means: Means, service: Service) -> Result:
    try:
        result = deploy(means, service)
    except RolloutError as error:
        result = Result(service=service.id, error=error)
    means.tell(service.id, outcome(result))
    return result


def outcome(result: Result) -> str:
    """One line for a person."""
    if result.error is not None:
        return f"failed: {result.error.what}"
    if result.left_out:
        return f"left out: {result.left_out}"
    if result.deployed is None:
        return "nothing to do"
    done = result.deployed
    was = f", was {done.replaced}" if done.replaced is not None and done.replaced != done.release.number else ""
    freed = "; no longer blocked" if result.unblocked else ""
    return f"release {done.release.number} runs on {done.placement.runtime}{was}{freed}"


def _note(means: Means, services: Sequence[Service], number: int | None) -> list[Result]:
    """Engine `memory`: nothing runs; release and placement are what there is. One transaction for all."""
    standing = means.deploys.standing([one.id for one in services])
    deployed = [_noted(means, one, standing[one.id], number) for one in services]
    freed = means.deploys.record(deployed, who=means.who) if deployed else frozenset()
    return [Result(service=one.service, deployed=one, unblocked=one.service in freed) for one in deployed]


def _noted(means: Means, service: Service, standing: Standing, number: int | None) -> Deployed:
    release = _old(means, service, number) if number is not None else _new(means, service)
    if number is None:
        release = replace(release, number=standing.newest + 1)
    placed = Placement(
        service=service.id,
        runtime=standing.placement.runtime if standing.placement else standing.setting.runtime,
        release=release.number,
        token=f"deploy-{release.number}.{service.name}.{service.environment}",
        replicas=release.spec.replicas,
        weight=100,
        since=means.clock.now(),
    )
    before = standing.placement.release if standing.placement else None
    return Deployed(release=release, placement=placed, new=number is None, replaced=before)


def _end(live: Live, release: Release, lease: Lease) -> None:
    """Every launch of the service that is on the host is stopped and forgotten, also one that a crash left."""
    held = {one.token: one.runtime for one in live.host.instances(release.service)}
    for token, runtime in sorted(held.items()):
        order = order_for(release, runtime, token, fence=lease.number)
        live.runtimes[runtime].stop(order)
        live.runtimes[runtime].unpublish(order)
    live.host.withdraw(release.service, lease.number)


def _new(means: Means, service: Service) -> Release:
    """A release of the service as it is now, not numbered yet; env file and engine are settled in it."""
    read = means.read_env_file(Path(service.env_file)) if service.env_file else {}
    spec = replace(service, env={**read, **service.env}, engine=_engine(means, service))
    return Release(service=service.id, number=0, created=means.clock.now(), created_by=means.who, spec=spec)


def _old(means: Means, service: Service, number: int) -> Release:
    release = means.deploys.release(service.id, number)
    if release is None:
        newest = means.deploys.release(service.id)
        known = f"its newest is {newest.number}" if newest else "it has none"
        raise UsageError(f"{service.id} has no release {number}: {known}", then=f"rollout service show {service.id}")
    return release


def _release(means: Means, placement: Placement) -> Release:
    release = means.deploys.release(placement.service, placement.release)
    if release is None:
        raise UsageError(f"release {placement.release} of {placement.service} is not in the store", then="rollout service deploy")
    return release


def _order_of(means: Means, placement: Placement, fence: int) -> Order:
    return order_for(_release(means, placement), placement.runtime, placement.token, fence=fence)


def _engine(means: Means, service: Service) -> EngineName:
    return service.engine_of(means.engine)
