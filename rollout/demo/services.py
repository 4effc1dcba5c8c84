"""The fleet of the demo: 24 services of four tiers in three environments, three of them with a planted fault."""

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from rollout.model.fleet import EngineName, Kind, Service, Tier

PROGRAM = Path(__file__).with_name("sample.py")
DATA, MOUNTED = "vault.data", "/data"
CUSTOMERS = ("ada", "bob", "cleo", "dora", "eve")
TAKES_MS = "60"
"""How long the service that will be slow takes for an answer: 40 % of it are more than the scatter of a busy machine."""
FIXED, FIXED_APART = "a port of its own: recreate", "a port of its own, in a network of its own"
IN_CONTAINERS = {TAKES_MS: "200"}
"""What options are instead: between containers a busy machine scatters answers more."""
CONTAINER_HEALTHY_S = 60.0
LEAVES_PORT_S, SLOWLY_S = "28", "75"
"""Later than its move takes, so that nobody drives it any more: only the host part is there to follow."""


class Fault(StrEnum):
    """What is planted in a service and shows on v2 alone."""

    CRASH = "crash"
    ERRORS = "errors"
    SLOW = "slow"

    @property
    def told(self) -> str:
        """What goes wrong on v2, in words."""
        return {
            Fault.CRASH: "crashes on v2",
            Fault.ERRORS: "answers 5xx on v2 from its 30th request there",
            Fault.SLOW: "answers 40 % slower on v2",
        }[self]

    @property
    def reason(self) -> str:
        """A word of the reason for which it falls back."""
        return {Fault.CRASH: "does not come up", Fault.ERRORS: "traffic: ", Fault.SLOW: "performance: "}[self]

    @property
    def statuses(self) -> frozenset[int]:
        """What the edge's log says of an answer that this fault produced: its own 500, no program; slow answers are good."""
        return {
            Fault.CRASH: frozenset({0, 502, 503, 504}),
            Fault.ERRORS: frozenset({500}),
            Fault.SLOW: frozenset[int](),
        }[self]


def command(*options: str) -> tuple[str, ...]:
    """How a sample service is run: isolated, so that nothing around it can be in its way."""
    return (sys.executable, "-I", "-S", str(PROGRAM), *options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What runs the sample services: the program with all that stands before its options, and the image that has it.

    Without an image they are plain processes. `apart`: each is in a network of its own, where it shares no port with another.
    """

    program: tuple[str, ...] = command()
    engine: EngineName = EngineName.PROCESS
    image: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service of the story: what it is and what is wrong with it.

    `clients`: how many call it at the same time; none calls an idle one. `pin`: why its owner keeps it on legacy at first.
    `note`: what else is special about it, in words.
    """

    service: Service
    fault: Fault | None = None
    clients: int = 1
    pin: str = ""
    leaves_port: bool = False
    note: str = ""
    body: Body = field(default_factory=Body)

    @property
    def calls(self) -> bool:
        """It calls a neighbour all the time, which must be there first."""
        return "--calls" in (self.service.command or ())

    @property
    def takes_traffic(self) -> bool:
        """The load client calls it."""
        return self.service.kind is Kind.HTTP and self.clients > 0


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
    service = replace(part.service, kind=Kind.WORKER, command=command("worker"), health_path=None)
    return replace(part, service=service, note="no port")


def _fixed(part: Part) -> Part:
    """The same on a port of its own: two copies cannot run at once, so that it is moved by `recreate`."""
    port = free_port()
    return _running(part, "--port", str(port), note=FIXED)


def _with_volume(part: Part, folder: Path) -> Part:
    """The same with a volume, which one copy at a time may mount: moved by `recreate`."""
    mounted = replace(part, service=replace(part.service, volumes=(f"{folder}:{MOUNTED}",)))
    return _running(mounted, "--data", str(folder / DATA), note="a volume: recreate")


def _in(part: Part, body: Body, folder: Path) -> Part:
    """The same, run by this body; what it mounts is at another place for a container."""
    if not body.image:
        return part
    instead = {**IN_CONTAINERS, str(folder / DATA): f"{MOUNTED}/{DATA}"}
    options = [instead.get(word, word) for word in (part.service.command or ())[len(command()) :]]
    made = replace(part.service, command=(*body.program, *options), engine=body.engine, image=body.image)
    note = part.note.replace(FIXED, FIXED_APART) if body.apart else part.note
    return replace(part, service=replace(made, health_timeout_s=CONTAINER_HEALTHY_S), body=body, note=note)


def _running(part: Part, *options: str, note: str) -> Part:
    """The same with other options; a port among them is its declared one."""
    port = int(options[1]) if options[0] == "--port" else None
    return replace(part, service=replace(part.service, port=port, command=command("http", *options)), note=note)


def _slow(part: Part) -> Part:
    """The same, 40 % slower on v2; five clients, as each has to wait longer."""
    options = ("http", "--takes", TAKES_MS)
    return replace(
        part,
        fault=Fault.SLOW,
        clients=5,
        service=replace(part.service, command=command(*options, "--fault", "slow")),
    )


def _leaving_port(part: Part, after: str) -> Part:
    """The same, which leaves its port for another one some seconds after it runs on v2."""
    moved = _running(part, "--leaves-port-after", after, note="changes its port on v2, tells nobody")
    return replace(moved, leaves_port=True)


def parts(folder: Path, *, slow: bool = False, body: Body | None = None) -> tuple[Part, ...]:
    """The whole fleet, in the order of tiers. `folder`: where the volume is. `slow`: moves take longer.

    `body`: what runs it; None: plain processes.
    """
    fleet = (*_trial(), *_hobby(SLOWLY_S if slow else LEAVES_PORT_S), *_pro(), *_enterprise(folder))
    return tuple(_in(part, body or Body(), folder) for part in fleet)


def _trial() -> Sequence[Part]:
    names = ("blog/preview", "blog/drafts", "shop/banner", "bank/sandbox", "bank/tour")
    sound = [_part(Tier.TRIAL, name, customer) for name, customer in zip(names, CUSTOMERS, strict=False)]
    return (*sound, _part(Tier.TRIAL, "shop/coupons", "bob", Fault.CRASH))


def _hobby(leaves_port_after: str) -> Sequence[Part]:
    sound = [_part(Tier.HOBBY, name, "ada") for name in ("blog/pages", "blog/feed", "shop/reviews")]
    mailer = _worker(_part(Tier.HOBBY, "blog/mailer", "cleo"))
    idle = replace(_part(Tier.HOBBY, "shop/archive", "cleo"), clients=0, note="idle: nobody calls it")
    return (*sound, mailer, idle, _leaving_port(_part(Tier.HOBBY, "bank/rates", "finn"), leaves_port_after))


def _pro() -> Sequence[Part]:
    api, web = _part(Tier.PRO, "shop/api", "dora"), _part(Tier.PRO, "shop/web", "eve")
    options = ("--calls", api.service.host_name, "--own", web.service.host_name)
    web = _running(web, *options, note="calls shop/api by name all the time")
    search = _part(Tier.PRO, "shop/search", "finn", Fault.ERRORS)
    prices = _slow(_part(Tier.PRO, "shop/prices", "gus"))
    cards = replace(_part(Tier.PRO, "bank/cards", "hana"), pin="a trade fair")
    return (api, web, search, prices, cards, _part(Tier.PRO, "bank/login", "hana"), _part(Tier.PRO, "blog/press", "ada"))


def _enterprise(folder: Path) -> Sequence[Part]:
    sound = [_part(Tier.ENTERPRISE, name, "gus") for name in ("shop/orders", "bank/payments", "bank/audit")]
    ledger = _fixed(_part(Tier.ENTERPRISE, "shop/ledger", "hana"))
    return (*sound, ledger, _with_volume(_part(Tier.ENTERPRISE, "bank/vault", "hana"), folder))


def repaired(part: Part) -> Service:
    """The service without its fault."""
    options = ("--takes", TAKES_MS) if part.fault is Fault.SLOW else ()
    return replace(part.service, command=(*part.body.program, "http", *options))
