"""The fleet of the demo: nine services of four tiers in two environments, two of them with a planted fault."""

import socket
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rollout.model.fleet import Kind, Service, Tier

PROGRAM = Path(__file__).with_name("sample.py")
NEIGHBOUR_REPORT = "neighbour.jsonl"


class Fault(StrEnum):
    """What is planted in a service and shows on v2 alone."""

    CRASH = "crash"
    ERRORS = "errors"

    @property
    def statuses(self) -> frozenset[int]:
        """What the edge's log says of an answer that this fault produced: its own 500, or that there was no program."""
        return frozenset({500}) if self is Fault.ERRORS else frozenset({0, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service of the story: what it is and what is wrong with it."""

    service: Service
    fault: Fault | None = None

    @property
    def calls(self) -> bool:
        """It calls a neighbour all the time, which must be there first."""
        return "--calls" in (self.service.command or ())

    @property
    def takes_traffic(self) -> bool:
        """The load client calls it."""
        return self.service.kind is Kind.HTTP


def command(*options: str) -> tuple[str, ...]:
    """How a sample service is run: isolated, so that nothing around it can be in its way."""
    return (sys.executable, "-I", "-S", str(PROGRAM), *options)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _part(tier: Tier, name: str, customer: str, fault: Fault | None = None) -> Part:
    """An HTTP service that obeys PORT, with a health path. `name` is `environment/name`."""
    environment, _, short = name.partition("/")
    options = ("http", "--fault", fault.value) if fault else ("http",)
    service = Service(
        name=short,
        environment=environment,
        customer=customer,
        tier=tier,
        command=command(*options),
        health_path="/health",
        health_timeout_s=15.0,
        draining_s=3.0,
    )
    return Part(service=service, fault=fault)


def _worker(part: Part) -> Part:
    """The same without a port and without a health path."""
    return replace(part, service=replace(part.service, kind=Kind.WORKER, command=command("worker"), health_path=None))


def _fixed(part: Part) -> Part:
    """The same on a port of its own: two copies cannot run at once, so that it is moved by `recreate`."""
    port = free_port()
    return replace(part, service=replace(part.service, port=port, command=command("http", "--port", str(port))))


def _calling(part: Part, name: str, report: Path) -> Part:
    """The same, calling a neighbour by name all the time and writing each call into `report`."""
    return replace(part, service=replace(part.service, command=command("http", "--calls", name, "--report", str(report))))


def parts(folder: Path) -> tuple[Part, ...]:
    """The whole fleet, in the order of tiers. `folder`: where the calling neighbour writes its report."""
    trial = (_part(Tier.TRIAL, "blog/preview", "ada"), _part(Tier.TRIAL, "shop/coupons", "bob", Fault.CRASH))
    hobby = (_part(Tier.HOBBY, "blog/pages", "ada"), _worker(_part(Tier.HOBBY, "blog/mailer", "cleo")))
    api = _part(Tier.PRO, "shop/api", "dora")
    web = _calling(_part(Tier.PRO, "shop/web", "eve"), api.service.host_name, folder / NEIGHBOUR_REPORT)
    pro = (api, web, _part(Tier.PRO, "shop/search", "finn", Fault.ERRORS))
    enterprise = (_part(Tier.ENTERPRISE, "shop/orders", "gus"), _fixed(_part(Tier.ENTERPRISE, "shop/ledger", "hana")))
    return (*trial, *hobby, *pro, *enterprise)


def repaired(part: Part) -> Service:
    """The service without its fault."""
    return replace(part.service, command=command("http"))
