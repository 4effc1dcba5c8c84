"""`rollout service add | set | remove`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rollout.cli import console, service_options, service_run, setting
from rollout.cli import service_options as o
from rollout.errors import UsageError
from rollout.model.fleet import Kind, Service
from rollout.operations import fleet as operations
from rollout.operations.deploy import remove as remove_one
from rollout.wiring import actor
from rollout.wiring import fleet as wiring
from rollout.wiring.deploy import desk
from rollout.wiring.pinned import see_to_choice
from rollout.wiring.volumes import staying

ENVIRONMENT = "production"
EMPTY: dict[str, Any] = {
    "command": None,
    "image": None,
    "env_file": None,
    "port": None,
    "health_path": None,
    "region": None,
    "cron": None,
    "engine": None,
    "memory_mb": None,
    "cpus": None,
    "pids_max": None,
    "read_only": False,
    "stop_signal": None,
    "volumes": (),
    "env": {},
    "labels": {},
}

CALLED = {"memory": "memory_mb", "pids": "pids_max"}
"""Options with other names than their fields."""


def register(app: typer.Typer) -> None:
    """The three commands are in the group."""
    app.command(cls=setting.Command)(add)
    app.command("set", cls=setting.Command)(edit)
    app.command()(remove)


@o.described
def add(
    name: Annotated[str, typer.Argument(help="A DNS label, e.g. api, or ENVIRONMENT/NAME.")],
    *,
    environment: Annotated[str | None, typer.Option(help=f"Its private network. Default: {ENVIRONMENT}.")] = None,
    runtime: setting.Runtime = None,
    reason: o.Reason = "",
    json: o.Json = False,
    **options: Any,
) -> None:
    """Add a service.

    The shortest form: rollout service add hello --tier trial -- python3 -m http.server '$PORT'

    Containers alone mount volumes and keep --memory, --cpus, --pids and --read-only: the deploy of a plain process refuses
    those four.
    """
    service = _new(name, environment, service_options.fields_of(options))
    with wiring.fleet(create=True) as fleet:
        added = operations.add(fleet, service, wiring.rules(fleet), runtime=runtime, reason=reason)
        view = operations.view(fleet, service.id)
    if json:
        console.emit({"added": added, "service": view.data()})
    elif added:
        then = f"deploy {service.id}" if service.command or service.image else f"set {service.id} --command …"
        console.say(f"{service.id} added; next: rollout service {then}")
    else:
        console.say(f"{service.id} is there already, just like this: nothing changed")


def _new(name: str, environment: str | None, fields: dict[str, Any]) -> Service:
    place, slash, short = name.rpartition("/")
    if slash and environment and environment != place:
        raise UsageError(f"{name} is in {place}, --environment says {environment}", then="give one of them")
    if "tier" not in fields:
        raise UsageError(f"{name}: its tier is not known", then="add --tier trial, hobby, pro or enterprise")
    usual = {"customer": actor.user(), "kind": Kind.HTTP}
    if "image" not in fields or "command" in fields:  # an image says itself where its program begins
        usual["directory"] = str(Path.cwd())
    return Service(name=short, environment=environment or place or ENVIRONMENT, **(usual | fields))


@o.described
def edit(
    name: o.Name,
    *,
    unset: o.Unset = None,
    runtime: setting.Runtime = None,
    reason: o.Reason = "",
    json: o.Json = False,
    **options: Any,
) -> None:
    """Edit a service; what it runs changes at its next deploy.

    Variables and labels are added to those it has; volumes take the place of those it has.
    """
    fields = service_options.fields_of(options)
    with wiring.fleet() as fleet:
        before = fleet.find(name)
        changes = _changes(before, fields, unset or [])
        if not changes and runtime is None:
            raise UsageError(f"nothing to set of {before.id}", then="rollout service set --help")
        rules = wiring.rules(fleet)
        done = operations.edit(fleet, before.id, changes, rules, runtime=runtime, reason=reason)
        see_to_choice(fleet, before.id, runtime, reason=reason, say=console.say)
        view = operations.view(fleet, before.id)
    _tell(done, view, json=json)


def _tell(done: operations.Edit, view: operations.View, *, json: bool) -> None:
    if json:
        console.emit({"changed": [*done.fields], "chosen": done.chosen, "service": view.data()})
        return
    told = ", ".join((*done.fields, *(["runtime"] if done.chosen else [])))
    console.say(f"{done.service.id}: {told or 'nothing'} changed")
    if done.fields and view.runs_on:
        console.say(f"it runs on as before until its next deploy: rollout service deploy {done.service.id}")


def _changes(before: Service, fields: dict[str, Any], unset: list[str]) -> dict[str, Any]:
    changes = dict(fields)
    for table in ("env", "labels"):
        changes |= {table: {**getattr(before, table), **fields[table]}} if table in fields else {}
    for field in unset:
        name, _, key = field.replace("-", "_", 1 if "." not in field else 0).partition(".")
        if key and name in {"env", "labels"}:
            held = dict(changes.get(name, getattr(before, name)))
            if held.pop(key, None) is None:
                raise UsageError(f"{before.id} has no {field}", then=f"rollout service show {before.id}")
            changes[name] = held
        elif (name := CALLED.get(name, name)) in EMPTY and not key:
            changes[name] = EMPTY[name]
        else:
            raise UsageError(f"--unset {field}: there is no such field", then=f"one of {', '.join(EMPTY)}, env.NAME, labels.NAME")
    if before.kind is Kind.CRON and changes.get("cron", before.cron) is None:
        changes.setdefault("kind", Kind.HTTP)
    return changes


def remove(
    name: o.Name,
    *,
    reason: o.Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a service with its releases, pin, block and setting; what runs of it is stopped, a move is brought back first.

    Its volumes stay: what is in them is yours. It says where they are, and what removes them.
    """
    with desk("service remove", tell=service_run.tell, say=console.say) as open_:
        service = open_.services.find(name)
        runs = " It runs, and serves nobody then." if open_.means.deploys.placements(service.id) else ""
        shown = service_run.running(open_, service)
        console.ask(f"Remove {shown}, with its releases, pin, block and setting?{runs}", yes=yes)
        remove_one(open_.means, open_.services, service, why=reason)
        stays = list(staying(open_.home, service, open_.services.list(environment=service.environment)))
    for told in (f"{service.id} removed", *stays):
        console.say(told)
