"""The legacy runtime: start, wait, then patch the network and the name in. It knows only the port that was declared."""

from functools import partial

from rollout.executor.ports import Order
from rollout.network.choose import Choice
from rollout.runtimes.keeping import Keeping
from rollout.runtimes.pace import Pace
from rollout.runtimes.specs import instances


class Legacy(Keeping):
    """A program can be found only some time after it runs: its name stands once it listens and has been patched in."""

    def bring_up(self, order: Order, pace: Pace) -> None:
        """Start all replicas; then, one by one, wait until it listens on its declared port, and patch it in."""
        specs = instances(order)
        ports = {spec.id: self.host.reserve(spec, order.fence) for spec in specs}
        pace.starts()
        for spec in specs:
            self.host.start(spec, order.fence)
        for spec in specs:
            if spec.serves:
                found = self.wait(order, spec, partial(self._declared, spec.id, ports[spec.id]))
                pace.listens(spec.id)
                self.host.attach(spec.id, ports[spec.id], found.note, order.fence, traffic=order.traffic)
                pace.found(spec.id)
            self.check_alive(order, spec)
            pace.listens(spec.id)

    def _declared(self, instance: str, port: int) -> Choice:
        listening = {found.port for found in self.host.listeners(instance)}
        if port in listening:
            return Choice(port=port, note=f"port {port}")
        seen = ", ".join(map(str, sorted(listening)))
        return Choice(problem=f"it does not listen on port {port}" + (f", but on {seen}" if seen else ""))
