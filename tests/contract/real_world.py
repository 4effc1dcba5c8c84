"""What the worlds of the runtimes' contract have in common that run real programs under a desk of their own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from rollout.contract.runtime import Program
from rollout.host.desk import Desk, Doers
from rollout.host.images import Images, NoImages
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge
from rollout.host.network import Network, NoNetwork
from rollout.host.ports import Engine
from rollout.host.processes import HostPorts
from rollout.host.usage import ProcessMeter, Used
from rollout.model.fleet import RuntimeName, Service
from rollout.network.detect import watch
from rollout.network.names import NamesFolder, find
from rollout.network.sockets import SocketTable
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from rollout.wiring.clock import SystemClock

SERVICE, NAME = "shop/api", "api.shop.internal"


class RealWorld(ABC):
    """Fulfils the contract's World but for the programs and what runs them."""

    reports_use = True

    def __init__(self, folder: Path, name: RuntimeName, engine: Engine) -> None:
        self.name, self.engine = name, engine
        self.edge, self.names = MemoryEdge(), NamesFolder(folder / "names", "127.0.0.1:2")
        self.watch = watch()
        doers = Doers(
            engine=engine,
            images=self.images(),
            network=self.network(),
            edge=self.edge,
            names=self.names,
            watch=self.watch,
            ports=HostPorts(),
            meter=ProcessMeter(),
        )
        self.desk = self.desk_of(Ledger(folder / "ledger"), doers)
        self.desk.weigh(SERVICE, NAME, 0, 1)
        self.runtime = (Legacy if name is RuntimeName.LEGACY else V2)(self.desk, SystemClock())

    def images(self) -> Images:
        return NoImages()

    def network(self) -> Network:
        return NoNetwork()

    def desk_of(self, ledger: Ledger, doers: Doers) -> Desk:
        return Desk(ledger, doers)

    @abstractmethod
    def command(self, program: Program) -> Sequence[str]: ...

    @abstractmethod
    def lacking(self, spec: Service) -> Service: ...

    def equipped(self, spec: Service) -> Service:
        return spec

    def end(self) -> None:
        """What was looked at is let go."""
        if isinstance(self.watch, SocketTable):
            self.watch.close()

    def resolve(self, name: str) -> int | None:
        place = find(self.names.folder, name)
        return place.port if place else None

    def traffic(self) -> Sequence[str]:
        route = self.edge.routes.get(NAME)
        return (*route.legacy, *route.v2) if route else ()

    def processes(self, token: str) -> int:
        held = [one for one in self.desk.instances(SERVICE) if one.token == token]
        return sum(bool(self.engine.pids(one.id)) for one in held)

    def used(self) -> Sequence[Used]:
        return self.desk.used(SERVICE)

    def leads_to_the_program(self, port: int) -> bool:
        held = self.desk.instances(SERVICE)
        return any(port == found.port for one in held for found in self.desk.listeners(one.id))
