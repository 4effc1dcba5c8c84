"""The legacy runtime: start, wait, then patch the network and the name in. It knows only the port that was declared."""

from collections.abc import Sequence
from functools import partial

from rollout.executor.ports import Order
from rollout.host.ports import Attached
from rollout.network.choose import Choice, for_itself
from rollout.runtimes.keeping import Keeping
from rollout.runtimes.pace import Pace
from rollout.runtimes.specs import instances


class Legacy(Keeping):
    """A program can be found only some time after it runs: it is in the network, and its name stands, once it listens."""

    def bring_up(self, order: Order, pace: Pace, _held: Sequence[Attached]) -> None:
        """Start all replicas; then, one by one, wait until it listens on its declared port, and patch it in."""
        specs = instances(order)
        ports = {spec.id: self.host.reserve(spec, order.fence) for spec in specs}
        pace.starts()
        started = {spec.id: self.host.start(spec, order.fence) for spec in specs}
        for spec in specs:
            port = ports[spec.id]
            found = self.wait(order, spec, partial(self._declared, started[spec.id], port)) if spec.serves else Choice()
            self.check_alive(order, spec)
            pace.listens(spec.id)
            self.host.join(spec.id, order.fence)
            if spec.serves:
                self.host.attach(spec.id, port, found.note, order.fence, traffic=order.traffic)
                pace.found(spec.id)
            self.check_alive(order, spec)

    def _declared(self, copy: Attached, port: int) -> Choice:
        listeners = self.host.listeners(copy.id)
        there = [found for found in listeners if found.port == port]
        if copy.apart and there and all(found.loopback for found in there):
            return Choice(problem=for_itself(there), stuck=True)
        if there:
            return Choice(port=port, note=f"port {port}")
        seen = ", ".join(map(str, sorted({found.port for found in listeners})))
        return Choice(problem=f"it does not listen on port {port}" + (f", but on {seen}" if seen else ""))
