"""The host part's desk: does what callers ask, with the doers that it was handed, under each service's lock and fence.

Every change goes the same way: lock, compare the fence, write the intent to the ledger, act, write the outcome. Each half
can be done again, so that a host part that was killed in between loses nothing.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rollout.errors import BrokenError
from rollout.host import apart, views
from rollout.host.fence import admit
from rollout.host.images import Images, NoImages
from rollout.host.joining import Joining
from rollout.host.ledger import Held, Joined, Ledger, Record
from rollout.host.network import Network, NoNetwork
from rollout.host.notes import Notes
from rollout.host.places import Names, Ports
from rollout.host.ports import DOWN, Attached, EdgeWriter, Engine, InstanceSpec, Listener, Phase, Watch
from rollout.host.rooms import Room
from rollout.host.usage import MemoryMeter, Meter, Used, by_launch
from rollout.model.fleet import RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Doers:
    """What acts for the desk. `wiring/host` builds them; `host/memory` has them for tests."""

    engine: Engine
    edge: EdgeWriter
    names: Names
    watch: Watch
    ports: Ports
    meter: Meter = field(default_factory=MemoryMeter)
    images: Images = field(default_factory=NoImages)
    network: Network = field(default_factory=NoNetwork)
    rooms: Callable[[], Sequence[Room]] = tuple


class Desk:
    """Fulfils `HostPart`. Safe to call from many threads: one change per service at a time, readers never wait."""

    def __init__(self, ledger: Ledger, doers: Doers, *, notes: Notes | None = None, version: str = "", boot: str = "") -> None:
        self.ledger = ledger
        self.doers = doers
        self.joining = Joining(network=doers.network, edge=doers.edge, rooms=doers.rooms)
        self._notes = notes
        self._identity = {"version": version, "boot": boot}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._port_lock = threading.Lock()

    def hello(self) -> Mapping[str, str]:
        """Who answers, and where edge and names listen."""
        places = {"edge": self.doers.edge.address(), "dns": self.doers.names.address()}
        return {**self._identity, **places, "pid": str(os.getpid())}

    def reserve(self, spec: InstanceSpec, fence: int) -> int:
        """The instance is known and has its port; nothing runs."""
        with self._change(spec.service, fence) as record:
            return self._known(record, spec).spec.port

    def start(self, spec: InstanceSpec, fence: int) -> Attached:
        """The instance runs under its port, or has ended by itself already."""
        with self._change(spec.service, fence) as record:
            held = self._known(record, spec)
            self._run(held)
            return self._seen(self.ledger.record(spec.service).held[spec.id])

    def join(self, instance: str, fence: int) -> None:
        """The instance is in the private network, now or from its start on, where that covers it."""
        service, _ = self._find(instance)
        with self._change(service, fence) as record:
            before = record.held[instance]
            facts = self.doers.engine.facts(instance)
            held = self.joining.joined(before, facts)
            self._joined(before, held)
            if held.joined is Joined.BEFORE and not held.wanted and (facts is None or facts.phase in DOWN):
                self.doers.engine.prepare(self._told(held.spec))

    def attach(self, instance: str, port: int, note: str, fence: int, *, traffic: bool = True, listens: bool = True) -> None:
        """Names and, with `traffic`, the edge lead to this port of the instance."""
        service, _ = self._find(instance)
        with self._change(service, fence) as record:
            held = record.held[instance]
            order = held.order if held.attached else views.order(record, held)
            spare = held.spare if held.port == port else 0
            ipv4 = held.joined is not None and views.ipv4(self.listeners(instance), port)
            now = replace(held, attached=True, port=port, spare=spare, note=note, order=order, traffic=traffic, ipv4=ipv4)
            self._lead(record.with_held(replace(now, expected=not listens)))

    def detach(self, instance: str, fence: int) -> None:
        """Neither names nor edge lead to the instance; it runs on."""
        found = self.ledger.find(instance)
        if found is None:
            return
        with self._change(found[0], fence) as record:
            self._lead(record.with_held(replace(record.held[instance], attached=False, follows=False)))

    def follow(self, instance: str, fence: int) -> None:
        """`look` attaches the instance again when its port changes."""
        service, _ = self._find(instance)
        with self._change(service, fence) as record:
            self.ledger.save(record.with_held(replace(record.held[instance], follows=True)))

    def stop(self, instance: str, grace_s: float, fence: int) -> None:
        """Detached, and no process of it lives."""
        found = self.ledger.find(instance)
        if found is None:
            return
        with self._change(found[0], fence) as record:
            held = replace(record.held[instance], wanted=False, attached=False, follows=False)
            self._lead(record.with_held(held))
            self.doers.engine.stop(instance, grace_s)
            self._joined(held, self.joining.left(held))

    def forget(self, instance: str, fence: int) -> None:
        """The instance is unknown here and to its engine, its port is free."""
        found = self.ledger.find(instance)
        if found is None:
            return
        with self._change(found[0], fence) as record:
            if record.held[instance].wanted:
                raise BrokenError(f"{instance} is not stopped", then="stop it first")
            self.doers.engine.forget(instance)
            self.joining.left(record.held[instance])
            self.ledger.save(record.without(instance))

    def instances(self, service: str | None = None) -> Sequence[Attached]:
        """All instances of a service, or all on this host, as they are now."""
        records = self.ledger.records() if service is None else [self.ledger.record(service)]
        return [self._seen(held) for record in records for held in record.held.values()]

    def listeners(self, instance: str) -> Sequence[Listener]:
        """What the processes of the instance listen on."""
        found = self.ledger.find(instance)
        told = apart.listeners(self.doers.engine, self.doers.watch, found[1].spec) if found else None
        return self.doers.watch.listeners(self.doers.engine.pids(instance)) if told is None else told

    def stranger(self, service: str, port: int) -> str:
        """Who listens on the port and is no copy of the service; empty where nobody does."""
        held = self.ledger.record(service).held
        if held and all(one.spec.network for one in held.values()):  # nobody else is in a network of their own
            return ""
        holder = self.doers.ports.holder(port)
        if not holder:
            return ""
        own = [pid for instance in held for pid in self.doers.engine.pids(instance)]
        return "" if any(found.port == port for found in self.doers.watch.listeners(own)) else holder

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines of its log."""
        return self.doers.engine.tail(instance, lines)

    def used(self, service: str) -> Sequence[Used]:
        """What every launch of the service that runs has used until now."""
        held = self.ledger.record(service).held.values()
        return by_launch([(h.spec.token, h.spec.id) for h in held if h.wanted], self.doers.engine.pids, self.doers.meter)

    def weigh(self, service: str, host_name: str, v2_percent: int, fence: int) -> None:
        """New requests are shared by this weight."""
        with self._change(service, fence) as record:
            self._lead(replace(record, host_name=host_name, weight=v2_percent))

    def in_flight(self, service: str, runtime: RuntimeName, token: str = "") -> int:
        """What the copies of that side (or of one launch) still work on, attached or just detached."""
        side = [h for h in self.ledger.record(service).held.values() if h.spec.runtime is runtime]
        asked = [address for h in side if token in {"", h.spec.token} for address in views.addresses(h)]
        direct = [h for h in side if token in {"", h.spec.token} and h.spec.direct and h.spec.own]
        held = sum(self.doers.network.held(service, h.spec.own[0]) for h in direct)
        return self.doers.edge.in_flight(asked) + held

    def withdraw(self, service: str, fence: int) -> None:
        """The edge does not know the service, its weight is forgotten."""
        with self._change(service, fence) as record:
            self._lead(replace(record, weight=None))
            if record.host_name:
                self.doers.edge.remove(record.host_name)

    @contextmanager
    def _change(self, service: str, fence: int) -> Iterator[Record]:
        with self._locks[service]:
            before = self.ledger.record(service)
            record = admit(before, fence, self._notes.of(service) if self._notes else None)
            if record is not before:
                self.ledger.save(record)
            yield record

    def _find(self, instance: str) -> tuple[str, Held]:
        found = self.ledger.find(instance)
        if found is None:
            raise BrokenError(f"the host part knows no instance {instance}", then="rollout status")
        return found

    def _known(self, record: Record, spec: InstanceSpec) -> Held:
        """The instance with its port, in the ledger from now on; one that is known keeps the spec that it has."""
        if spec.id in record.held:
            return record.held[spec.id]
        pinned = self.joining.apart(self.doers.images.pinned(spec))
        with self._port_lock:
            port = pinned.port or spec.port_declared or self._port_of_its_process(spec) or self._free_port()
            held = Held(spec=replace(pinned, port=port))
            self.ledger.save(record.with_held(held))
        return held

    def _port_of_its_process(self, spec: InstanceSpec) -> int:
        """Where an instance listens that runs although the ledger has lost it; one of which that is not clear is ended."""
        facts = self.doers.engine.facts(spec.id)
        if facts is None or facts.phase not in {Phase.STARTING, Phase.RUNNING} or not spec.serves:
            return 0
        ports = {listener.port for listener in self.listeners(spec.id)}
        if len(ports) == 1:
            return ports.pop()
        self.doers.engine.stop(spec.id, spec.grace_s)
        return 0

    def _run(self, held: Held) -> None:
        facts = self.doers.engine.facts(held.spec.id)
        before = self.ledger.record(held.spec.service).held[held.spec.id]
        if facts is None or facts.phase in DOWN:
            held = self.joining.before(self._on_a_free_port(held))
        held = replace(held, wanted=True)
        self._joined(before, held)
        with apart.seen_to_listen(self.doers.watch, held, lambda now: self._joined(held, now)):
            facts = self.doers.engine.start(self._told(held.spec))
        held = self.ledger.record(held.spec.service).held[held.spec.id]
        self._joined(held, self.joining.after(held, facts))

    def _told(self, spec: InstanceSpec) -> InstanceSpec:
        """With all that its process is told by us."""
        edge, dns = self.doers.edge.address(), self.doers.names.address()
        return views.complete(spec, {"ROLLOUT_EDGE": edge, "ROLLOUT_DNS": dns, "ROLLOUT_RUNTIME": str(spec.runtime)})

    def _joined(self, before: Held, held: Held) -> None:
        """Ledger, names and edge know the instance as it is now."""
        if held != before:
            record = self.ledger.record(held.spec.service)
            if held.joined:
                network, service = self.doers.network, record.service
                record = replace(record, address=network.address_of(service), address4=network.address4_of(service))
            self._lead(record.with_held(held))
        self.joining.coming.discard(held.spec.id)

    def _on_a_free_port(self, held: Held) -> Held:
        """The same while its port is free; with another one where we chose it; BrokenError where its owner declared it."""
        spec = held.spec
        if not spec.serves or spec.network or not (holder := self.doers.ports.holder(spec.port)):
            return held
        if spec.port_declared is None:
            port = self._free_port()
            return replace(held, spec=replace(spec, port=port), port=port if held.attached else held.port)
        raise BrokenError(
            f"{spec.service}: port {spec.port} is in use by {holder}",
            state="the instance was not started",
            then=f"end {holder}, or give the service another port: rollout service set {spec.service} --port N",
        )

    def _free_port(self) -> int:
        taken = {held.spec.port for record in self.ledger.records() for held in record.held.values()}
        return self.doers.ports.free(taken)

    def _seen(self, held: Held) -> Attached:
        return views.attached(held, self.doers.engine.facts(held.spec.id))

    def _lead(self, record: Record, *, durable: bool = True) -> None:
        """Ledger, edge and names all say what this record says; not `durable`: the ledger says it already.

        Names come last: whoever has one is served.
        """
        before = self.ledger.record(record.service)
        if durable:
            self.ledger.save(record)
        if route := views.route(self._overlaid(record)):
            self.doers.edge.write(route)
        if (led := views.led(record)) != views.led(before) or (led and not durable):
            self.doers.network.lead(record.service, led)
        self._publish(views.names(before, self.doers.edge.address()), views.names(record, self.doers.edge.address()))

    def _overlaid(self, record: Record) -> Record:
        """What was led back without the store has all its traffic on legacy, whatever was written before that."""
        led_back = self._notes is not None and self._notes.of(record.service) is not None
        return replace(record, weight=0) if led_back and record.weight is not None else record

    def _publish(self, before: Mapping[str, tuple[str, int]], now: Mapping[str, tuple[str, int]]) -> None:
        for name in before.keys() - now.keys():
            self.doers.names.withdraw(name)
        for name, (address, port) in now.items():
            self.doers.names.publish(name, address, port)
