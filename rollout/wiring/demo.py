"""The stage of `rollout demo`: the real operations on a home of its own, in a folder that is removed at the end."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from rollout.edge.access_log import AccessLine, AccessLog
from rollout.edge.envoy import EnvoyEdge
from rollout.edge.settings import EdgeSettings, keep_settings
from rollout.errors import HostGoneError, StoppedError
from rollout.executor.result import Until
from rollout.manifests.policy import shipped
from rollout.model.fleet import Service
from rollout.model.move import Entry, Move
from rollout.model.plan import Plan, Wave
from rollout.model.state import State
from rollout.operations import deploy, execute, fleet, tend, verbs
from rollout.operations import pin as pinning
from rollout.operations.execute import Order
from rollout.operations.means import Means
from rollout.operations.numbers import Comparison, comparisons
from rollout.operations.setting import Wish
from rollout.store.progress import Progress
from rollout.wiring import host as hosting
from rollout.wiring.demo_engines import DemoEngines
from rollout.wiring.deploy import desk
from rollout.wiring.execute import Names
from rollout.wiring.finalize import Finalizing
from rollout.wiring.fleet import rules
from rollout.wiring.home import FOLDER, Home
from rollout.wiring.plan import Asked, opened
from rollout.wiring.seen import folder as host_folder
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means

POLICY = "demo"
SLOWLY = {'step = "1s"': 'step = "8s"', 'bake = "2s"': 'bake = "15s"', 'keep_warm = "1s"': 'keep_warm = "10s"'}
PATIENTLY = {
    'publishing = "15s"': 'publishing = "120s"',
    'launching = "20s"': 'launching = "120s"',
    'hold_limit = "30s"': 'hold_limit = "300s"',
    'tolerance = "5ms"': 'tolerance = "40ms"',
}
"""An engine that makes many containers at once takes its time, and what runs beside that does too."""
WAVES_AT_ONCE = 4
REASON = "rollout demo"
Told = Callable[[Entry, Move], None]


class DemoStage:
    """Fulfils `demo.stage.Stage` in `folder`, which is there. From `open` on this process uses that home and no other."""

    def __init__(self, folder: Path, *, slow: bool = False, engines: DemoEngines | None = None) -> None:
        self._slow = slow
        self._folder = folder
        self._engines = engines
        self._home = Home(self.home_in(folder))
        self._asked_to_stop = threading.Event()
        self._addresses: set[str] = set()

    @staticmethod
    def home_in(folder: Path) -> Path:
        """Where the home of a demo in this folder is."""
        return folder / FOLDER

    def open(self) -> str:
        """See Stage. The edge never tries a request twice here: each failure is to be seen."""
        self._home.path.mkdir(mode=0o700, exist_ok=True)
        os.environ["ROLLOUT_HOME"] = str(self._home.path)
        os.environ.pop("ROLLOUT_ENGINE", None)
        with opened() as planning:
            planning.use(self._policy())
        keep_settings(host_folder(self._home.path) / "edge", EdgeSettings(retries=False))
        done = hosting.up(self._home, scheduler=False)
        self._addresses |= {done.edge, done.dns}
        if self._engines:
            self._engines.load()
        return done.edge

    def _policy(self) -> str:
        """The demo's policy by name; as a file where it takes more time."""
        changes = {**(SLOWLY if self._slow else {}), **(PATIENTLY if self._engines else {})}
        if not changes:
            return POLICY
        text = shipped()[POLICY]
        for quick, slow in changes.items():
            text = text.replace(quick, slow)
        path = self._folder / f"{POLICY}.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def deploy(self, services: Sequence[Service]) -> Mapping[str, int]:
        """See Stage."""
        with desk("deploy") as at:
            asks = rules(at.services)
            for service in services:
                if at.services.get(service.id) is None:
                    fleet.add(at.services, service, asks, reason=REASON)
                else:
                    fleet.edit(at.services, service.id, {"command": service.command}, asks, reason=REASON)
            results = deploy.deploy_many(at.means, services)
        releases = {}
        for result in results:
            if result.error is not None:
                raise result.error
            if result.deployed is not None:
                releases[result.service] = result.deployed.release.number
        return releases

    def plan(self) -> Plan:
        """See Stage."""
        with opened() as planning:
            return planning.keep(planning.propose(Asked())).plan

    def execute(self, wave: Wave, told: Told) -> None:
        """See Stage. StoppedError where the wave did not come to its end."""
        with self._means(told) as tools:
            names, order = Names(tools, self._home), Order(reason=REASON)
            stored = execute.check(tools, wave.number, order, names.left)
            report = execute.execute(tools, stored, order, left=names.left, told=lambda _: None)
        if report.waiting or report.counts.get(State.STUCK):
            raise StoppedError(f"{wave.name} has stopped: {'; '.join(report.waiting) or 'a move is stuck'}")

    def finish(self, told: Told) -> None:
        """See Stage."""
        with self._means(told) as tools, ThreadPoolExecutor(WAVES_AT_ONCE) as pool:
            waves = sorted({f"wave-{move.wave}" for move in _warm(tools)})
            list(pool.map(lambda wave: tend.tend(tools, wave, until=Until.FINISHED), waves))

    def retry(self, service: str) -> None:
        """See Stage."""
        with means(self._home) as tools:
            verbs.retry(tools, service, REASON)

    def pin(self, service: str, reason: str) -> str:
        """See Stage."""
        with means(self._home) as tools:
            return pinning.pin(tools, [service], Wish(reason=reason))[0].text

    def unpin(self, service: str) -> str:
        """See Stage."""
        with means(self._home) as tools:
            return pinning.unpin(tools, [service], REASON)[0].text

    def performance(self, services: Sequence[str]) -> Sequence[Comparison]:
        """See Stage."""
        with means(self._home) as tools:
            return comparisons(tools.database, services)

    def finalize(self) -> None:
        """See Stage."""
        finalizing = Finalizing()
        try:
            finalizing.finalize()
        finally:
            finalizing.close()

    def on(self) -> Mapping[str, int]:
        """See Stage."""
        database = self._home.database()
        try:
            return {str(name): count for name, count in Progress(database).sight(states=(), limit=0).placed.items()}
        finally:
            database.close()

    def lines(self) -> Sequence[AccessLine]:
        """See Stage."""
        return list(AccessLog(self._edge().places.log).lines())

    def stop(self) -> None:
        """See Stage."""
        self._asked_to_stop.set()

    def close(self) -> tuple[Sequence[str], Sequence[Path]]:
        """See Stage."""
        paths: list[Path] = []
        if self._home.path.exists():
            paths = self._sockets()
            self._addresses |= self._copies()
            if self._engines:
                paths += self._engines.traces()
            hosting.down(self._home)
            if self._engines:
                self._engines.clear()
        shutil.rmtree(self._folder)
        return sorted(self._addresses), paths

    def _means(self, told: Told) -> AbstractContextManager[Means]:
        return means(self._home, Voice(tell=told, stop=self._asked_to_stop.is_set))

    def _edge(self) -> EnvoyEdge:
        return EnvoyEdge(host_folder(self._home.path) / "edge")

    def _sockets(self) -> list[Path]:
        """Where sockets stand outside of the home."""
        return [self._edge().places.admin]

    def _copies(self) -> set[str]:
        """Where copies listen now; nobody reaches those in a network of their own, whose namespaces are looked for instead."""
        try:
            client = hosting.host_part(self._home, start=False)
            return {copy.address for copy in client.instances() if copy.address and not copy.apart}
        except HostGoneError:
            return set()


def _warm(tools: Means) -> Sequence[Move]:
    return tools.progress.sight(states=[State.WARM, State.FINISHING]).moves
