"""What `service deploy | stop | restart | logs` need: the fleet, the leases, and the host part once something runs on it."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from rollout.host.ports import HostPart
from rollout.manifests import env_file
from rollout.model.fleet import Pin, Service
from rollout.operations import back
from rollout.operations.deploy import Means, Tell, refuse
from rollout.operations.deployable import Machine
from rollout.operations.replace import Live
from rollout.operations.saying import Say, quiet
from rollout.store import pins
from rollout.store.deploys import Deploys
from rollout.store.history import History, KeptLog
from rollout.store.services import Services
from rollout.wiring import able, actor
from rollout.wiring.clock import SystemClock
from rollout.wiring.home import Home, find
from rollout.wiring.host import host_part
from rollout.wiring.host_desk import asker
from rollout.wiring.in_force import default_engine, policy_in_force
from rollout.wiring.live import live
from rollout.wiring.noted import take_over_notes
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means as driving_means


@dataclass(frozen=True, slots=True)
class Desk:
    """One open home: its services, and what deploys need."""

    home: Home
    services: Services
    means: Means

    @staticmethod
    def lacking(services: Iterable[Service]) -> str:
        """What keeps containers of these from a private network on this machine, in words; empty where nothing does."""
        if all(one.image is None for one in services):
            return ""
        return ", ".join(what for what, _ in able.lacking())

    def pins(self, services: Collection[str]) -> Mapping[str, Pin]:
        """Which of these services are pinned now."""
        with self.services.database.reading() as session:
            found = pins.holding(session, actor.now())
        return {service: pin for service, pin in found.items() if service in services}

    def kept_log(self, service: str) -> KeptLog | None:
        """The last lines of a copy that failed, from the journal of its move."""
        return History(self.services.database).kept_log(service)


@contextmanager
def desk(doing: str, *, tell: Tell = lambda _s, _l: None, say: Say = quiet) -> Iterator[Desk]:
    """The home that is found. The host part is started at the first use of what runs on it, and that is said by `say`."""
    home = find()
    database = home.database()
    take_over_notes(home, start=True, say=say)
    clock, deploys = SystemClock(), Deploys(database, actor.now)
    means = Means(
        deploys=deploys,
        leases=actor.leases(database),
        holder=actor.holder(doing),
        live=_once(lambda: live(host_part(home, say=say), clock, policy_in_force(database), asker(home.path))),
        bring_back=lambda service, verb: _bring_back(home, deploys, service, verb, tell=tell, say=say),
        read_env_file=env_file.read,
        clock=clock,
        engine=default_engine(),
        machine=Machine(memory_mb=psutil.virtual_memory().total >> 20, cpus=psutil.cpu_count() or 1),
        tell=tell,
    )
    try:
        yield Desk(home, Services(database, home.keyed_hash, actor.now), means)
    finally:
        database.close()


def _bring_back(home: Home, deploys: Deploys, service: str, verb: str, *, tell: Tell, say: Say) -> None:
    """The service moves no more: its move was aborted, or finished where it was warm. WaitingError where it still moves."""
    if not deploys.in_a_wave(service):
        return
    act = verb if verb in {"stop", "remove"} else "deploy"
    with driving_means(home, Voice(say=say)) as means:
        row = back.bring_back(means, service, act, f"{verb} by {actor.user()}")
    refuse(deploys, service, verb)
    if row is not None:
        tell(service, f"{row.id.partition('/')[0]} is over for it: {row.state.value.replace('_', ' ')}")


def host(home: Home | None = None) -> HostPart:
    """The host part as it is; it is not started. HostGoneError at its first use where there is none."""
    return host_part(home or find(), start=False)


def _once(build: Callable[[], Live]) -> Callable[[], Live]:
    """Builds at the first call, whoever makes it; the others wait for it."""
    lock, built = threading.Lock(), list[Live]()

    def get() -> Live:
        with lock:
            if not built:
                built.append(build())
            return built[0]

    return get
