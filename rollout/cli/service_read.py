"""`rollout service list | show`: what is known of services; of env the names alone."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from rollout.cli import console, setting
from rollout.cli import service_options as o
from rollout.model.fleet import Pin, Service, Tier
from rollout.model.image import shortly
from rollout.model.limits import memory_text
from rollout.model.plain import to_plain
from rollout.model.ports import unexpected
from rollout.operations import fleet as operations
from rollout.operations import fleet_json
from rollout.operations.fleet import View
from rollout.operations.listening import Listens
from rollout.wiring import actor
from rollout.wiring import fleet as wiring

SHARED = "the host's own, neighbours call it at ROLLOUT_EDGE: no private network here, rollout doctor tells why"
COLUMNS = ("service", "customer", "tier", "kind", "setting", "runs on", "state")


def register(app: typer.Typer) -> None:
    """Both commands are in the group."""
    app.command("list")(list_)
    app.command()(show)


def list_(
    *,
    tier: Annotated[list[Tier] | None, typer.Option(help="Only this tier. Repeatable.", case_sensitive=False)] = None,
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    json: o.Json = False,
) -> None:
    """List services: a table in a terminal, columns with tabs between them in a pipe."""
    with wiring.fleet() as fleet:
        if json:
            documents = fleet_json.documents(fleet, tiers=tier or (), environment=environment, customer=customer)
            console.emit_list("services", documents)
            return
        views = operations.views(fleet, tiers=tier or (), environment=environment, customer=customer)
    rows = [_row(view) for view in views]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in (COLUMNS, *rows))
    else:
        table = Table(Column(COLUMNS[0], no_wrap=True), *COLUMNS[1:], box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.out().print(table)
    if not views:
        console.say("no services" + (" that fit" if tier or environment or customer else ": rollout service add --help"))


def _row(view: View) -> tuple[str, ...]:
    service = view.service
    runs = ", ".join(view.runs_on) or "-"
    return (service.id, service.customer, service.tier, service.kind, setting.told(view) or "-", runs, _state(view))


def _state(view: View) -> str:
    if view.moving:
        return f"moving: {view.moving}"
    told = [f"blocked: {view.block.reason}"] if view.block else []
    told += [_pin(view.pin)] if view.pin else []
    told += ["no command"] if not view.service.command and not view.service.image else []
    return "; ".join(told) or "-"


def _pin(pin: Pin) -> str:
    return f"pinned: {pin.reason}" if pin.holds(actor.now()) else f"pin expired {pin.end.removeprefix('until ')}"


def show(name: o.Name, *, json: o.Json = False) -> None:
    """Show one service. Of its variables only the names are told."""
    with wiring.fleet() as fleet:
        view = wiring.shown(fleet, name)
    if json:
        console.emit({**view.data(), "runs_image": view.image, "copies": to_plain(view.copies), "edge": view.edge})
        return
    lines = [*_described(view.service), *setting.lines(view), *_standing(view)]
    width = max(len(label) for label, _ in lines)
    sys.stdout.writelines(f"{label:<{width}}  {value}\n" for label, value in lines)


def _described(service: Service) -> list[tuple[str, str]]:
    command = " ".join(service.command) if isinstance(service.command, tuple) else service.command
    retries = f", {service.restart_max} times at most" if service.restart.value == "on_failure" else ""
    told = [
        ("service", service.id),
        ("customer", f"{service.customer} ({service.tier})"),
        ("kind", service.kind.value),
        ("command", command or ""),
        ("image", service.image or ""),
        ("directory", service.directory or ""),
        ("env", ", ".join(sorted(service.env))),
        ("env file", service.env_file or ""),
        ("port", str(service.port) if service.port else "PORT of its env"),
        ("health", f"{service.health_path or 'TCP connect'}, within {service.health_timeout_s:g} s"),
        ("replicas", str(service.replicas)),
        ("volumes", ", ".join(service.volumes)),
        ("region", service.region or ""),
        ("restart", f"{service.restart}{retries}"),
        ("draining", f"{service.draining_s:g} s"),
        ("stop signal", service.stop_signal or ""),
        ("limits", ", ".join(_limits(service))),
        ("cron", service.cron or ""),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(service.labels.items()))),
        ("engine", service.engine.value if service.engine else ""),
    ]
    return [(label, value) for label, value in told if value]


def _limits(service: Service) -> Iterator[str]:
    if service.memory_mb:
        yield f"memory {memory_text(service.memory_mb)}"
    if service.cpus:
        yield f"{service.cpus:g} processors"
    if service.pids_max:
        yield f"{service.pids_max} processes"
    if service.read_only:
        yield "read-only"


def _listens(copy: Listens) -> str:
    note = f": {copy.note}" if unexpected(copy.note) else ""
    return f"{copy.address} on {copy.runtime}{note}"


def _standing(view: View) -> list[tuple[str, str]]:
    told = [("runs on", ", ".join(view.runs_on) or "nothing yet")]
    told += [("release of", shortly(view.image))] if view.image else []
    told += [("listens", _listens(one)) for one in view.copies]
    if view.service.image and view.copies and not any(one.apart for one in view.copies):
        told.append(("network", SHARED))
    if view.edge:
        told.append(("reached", f"http://{view.edge}/ with Host: {view.service.host_name}"))
    if view.moving:
        told.append(("moving", view.moving))
    if view.pin:
        holds = view.pin.holds(actor.now())
        told.append(("pinned", view.pin.told) if holds else ("pin", f"expired: it was {view.pin.told}"))
    if view.block:
        told.append(("blocked", f"{view.block.reason}; next: rollout retry {view.service.id}"))
    return told
