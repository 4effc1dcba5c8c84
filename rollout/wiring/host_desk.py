"""The host part built from the settings of a home: its desk with all doers, and the processes that it keeps for itself.

A home is its path here: the host part never opens the store, and does not load what that takes.
"""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

import rollout
from rollout.edge.envoy import NAME as EDGE
from rollout.edge.envoy import EnvoyEdge
from rollout.errors import BrokenError, TransientError
from rollout.host.daemon import Daemon
from rollout.host.desk import Doers
from rollout.host.keep import Keeper, Program
from rollout.host.kept import Kept
from rollout.host.ledger import Ledger
from rollout.host.lock import locked
from rollout.host.notes import Notes
from rollout.host.ports import InstanceSpec, Listener, Phase
from rollout.host.processes import HostPorts
from rollout.host.rooms import Rooms
from rollout.host.upkeep import KeepingDesk
from rollout.host.usage import ProcessMeter
from rollout.host.views import at, ipv4, place
from rollout.network import dns
from rollout.network.ask import Asker, Question
from rollout.network.choose import Wanted, choose
from rollout.network.detect import watch
from rollout.network.names import NamesFolder
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.sockets import PASSED_ON
from rollout.runtimes.images.known import KnownLayers
from rollout.runtimes.publishing.publisher import Publisher
from rollout.wiring.containers import Containers
from rollout.wiring.private_network import network
from rollout.wiring.seen import KEPT, folder, own_version

LOST_S, TEND_S, JOINED_S = 2.0, 5.0, 1.0
READY_S, TRIES = 15.0, 3
EDGE_GRACE_S = 2.0
SCHEDULER = "scheduler"
SOON_S = 0.3
"""One of several ports is followed when it answers so soon: others that moved do not wait for it."""
LOOPBACK = "127.0.0.1"


def boot() -> str:
    """Names this start of the host."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{psutil.boot_time():.0f}"


def rooms(home: Path) -> Rooms:
    """The rooms of the private networks on this host."""
    return Rooms(home / "host" / "rooms")


def asker(home: Path) -> Asker:
    """Asks instances of this home, also those in a private network."""
    return Asker(rooms(home))


def keeper(home: Path) -> Keeper:
    """What keeps the host part itself, the edge, the names and the scheduler."""
    return Keeper(folder(home) / KEPT)


def own_env(home: Path) -> dict[str, str]:
    """What a process of ours needs to find this program and this home."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed_on, "PYTHONPATH": str(Path(rollout.__file__).parents[1]), "ROLLOUT_HOME": str(home)}


def program(home: Path, kept: Kept) -> Program:
    """A process of ours, kept for ever."""
    return Program(name=kept.name, argv=kept.argv, env={**own_env(home), **kept.env}, directory=str(home))


class HostWorld:
    """Everything that the host part of a home holds."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = folder(home)
        self.edge = EnvoyEdge(self.folder / "edge")
        self.keeper = keeper(home)
        self._names = self.folder / "names"
        self._dns_port = _dns_port(self.folder)
        self._asker = asker(home)
        self.containers = Containers(self.folder, self.keeper, own_env(home))
        self.engines = self.containers.beside(ProcessEngine(self.folder / "instances"))
        known = KnownLayers(self.folder / "judged")
        self.publisher = Publisher(engines=self.engines, scratch=self.folder / "publishing", known=known)
        self._looked = self._tended = self._joined = 0.0
        self.desk = KeepingDesk(
            Ledger(self.folder / "services"),
            Doers(
                engine=self.engines,
                images=self.publisher,
                network=network(self.folder, rooms(home)),
                rooms=rooms(home).all,
                edge=self.edge,
                names=NamesFolder(self._names, f"{LOOPBACK}:{self._dns_port}"),
                watch=watch(),
                ports=HostPorts(),
                meter=ProcessMeter(),
            ),
            notes=Notes(self.folder / "notes"),
            probe=self._problem,
            choose=self._choose,
            version=own_version(),
            boot=boot(),
        )

    def kept(self) -> Sequence[Kept]:
        """Edge and names. `prepare` has been called."""
        return [self.edge.kept(), Kept(name="dns", argv=dns.argv(str(self._names), self._dns_port, str(rooms(self.home).folder)))]

    def prepare(self) -> None:
        """Edge and names run and answer; an edge with another configuration than now has been started again.

        BrokenError when the edge does not answer: who has its port, or else the last lines of its log.
        """
        self.publisher.tidy()
        if self.edge.prepare():
            self.keeper.stop(EDGE, EDGE_GRACE_S)
        check_edge(self.home)
        self._keep()
        limit = time.monotonic() + READY_S
        while not self.edge.ready():
            facts = self.keeper.facts(EDGE)
            given_up = facts is not None and facts.restarts >= TRIES
            if given_up:
                self.keeper.stop(EDGE, EDGE_GRACE_S)
                check_edge(self.home)
            if given_up or time.monotonic() > limit:
                lines = "\n".join(self.keeper.tail(EDGE, 5))
                raise BrokenError("the edge does not answer", state=f"its last lines: {lines}", then="rollout up")
            time.sleep(0.02)

    def _keep(self) -> None:
        """Edge and names are kept; and the scheduler, where it was lost and not stopped."""
        for kept in self.kept():
            self.keeper.start(program(self.home, kept))
        scheduler = self.keeper.facts(SCHEDULER)
        if scheduler is not None and scheduler.phase is Phase.LOST:
            self.keeper.start(own(self.home, SCHEDULER))

    def serve(self) -> None:
        """Be the host part until SIGTERM."""
        daemon = Daemon(self.folder, self.desk, own_version(), self.desk.follow_ports, self._look, self._keep_network)
        self.prepare()
        daemon.run()
        self.edge.close()
        self.engines.close()

    def _look(self) -> None:
        if time.monotonic() - self._looked > LOST_S:
            self._looked = time.monotonic()
            self.desk.replace_lost()
        if time.monotonic() - self._tended > TEND_S:
            self._tended = time.monotonic()
            self._keep()
            with contextlib.suppress(TransientError):
                self.edge.tend()

    def _keep_network(self) -> None:
        if time.monotonic() - self._joined > JOINED_S:
            self.desk.keep_network()
            self._joined = time.monotonic()

    def _problem(self, spec: InstanceSpec, address: str, timeout_s: float = 2.0) -> str:
        question = Question(path=spec.health_path, host_name=spec.host_name, timeout_s=timeout_s)
        try:
            answer = self._asker.ask(address, question)
        except BrokenError as error:  # its room is being made
            return error.what
        return "" if answer.good else f"its copy on {spec.runtime} at {address} answers: {answer.said}"

    def _choose(self, spec: InstanceSpec, listeners: Sequence[Listener]) -> tuple[int, str] | None:
        def answers(port: int) -> bool:
            return not self._problem(spec, at(place(spec.own, ipv4=ipv4(listeners, port)), port), SOON_S)

        wanted = Wanted(given=spec.port, declared=spec.port_declared, reached_from_outside=bool(spec.network))
        choice = choose(listeners, wanted, answers if spec.health_path else None)
        return None if choice.port is None else (choice.port, choice.note)


def check_edge(home: Path) -> None:
    """The edge runs, or could: BrokenError when another program has its port."""
    place = keeper(home).folder / EDGE
    if locked(place) or not (folder(home) / "edge" / "port").exists():  # none chosen yet: only the host part chooses one
        return
    try:
        EnvoyEdge(folder(home) / "edge").check_port()
    except BrokenError:
        if not locked(place):  # else the host part has started it just now: it is the edge itself that listens
            raise


def own(home: Path, command: str) -> Program:
    """A command of ours, kept under its name: the host part itself, the scheduler."""
    return program(home, Kept(name=command, argv=(sys.executable, "-m", "rollout", command)))


def _dns_port(where: Path) -> int:
    """The port of this home's names, chosen once."""
    path = where / "dns.port"
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(path.read_text(encoding="ascii"))
    port = HostPorts().free(())
    try:
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(f"{port}\n", encoding="ascii")
        draft.replace(path)
    except OSError as error:
        raise BrokenError(f"cannot write {path}: {error.strerror}", then="look at its permissions, free some space") from error
    return port
