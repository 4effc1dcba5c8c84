"""The engine `process` of a home: everything through its host part, judged by what the edge logs."""

import time

from rollout.edge.access_log import AccessLog
from rollout.edge.envoy import EnvoyEdge
from rollout.edge.host_edge import HostEdge
from rollout.edge.samples import LogSamples
from rollout.executor.ports import Clock, Gate
from rollout.gates.health import Health
from rollout.gates.own_requests import OwnRequests
from rollout.gates.performance import Performance
from rollout.gates.signed_rank import SignedRank
from rollout.gates.traffic import Traffic
from rollout.model.policy import Policy
from rollout.operations.saying import Say
from rollout.perf.collect import Collector
from rollout.wiring.engines import Parts
from rollout.wiring.home import Home
from rollout.wiring.host import host_part
from rollout.wiring.host_desk import asker
from rollout.wiring.live import runtimes
from rollout.wiring.seen import folder


def process_parts(home: Home, policy: Policy, clock: Clock, say: Say) -> Parts:
    """The parts for services that run as processes. Starts the host part where there is none, and says so."""
    host = host_part(home, say=say)
    ask = asker(home.path)
    sides = runtimes(host, clock, ask)
    health = Health(sides, policy.health, ask.ask, host.look_at_ports)
    gates: dict[str, Gate] = {health.name: health}
    samples = LogSamples(AccessLog(EnvoyEdge(folder(home.path) / "edge").places.log))
    own = OwnRequests(sides, policy.health, ask.ask, time.perf_counter)
    if policy.traffic is not None:
        gates[Traffic.name] = Traffic(samples, policy.traffic, own)
    if policy.performance is not None:
        gates[Performance.name] = Performance(samples, SignedRank(), policy.performance, own)
    return Parts(runtimes=sides, edge=HostEdge(host), gates=gates, instrument=Collector(samples, host))
