"""`rollout service deploy | stop | restart | logs`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.text import Text

from rollout.cli import console
from rollout.cli import service_options as o
from rollout.cli.progress import working
from rollout.cli.when import clock
from rollout.errors import HostGoneError, PartialError, UsageError
from rollout.host.ports import HostPart
from rollout.model.fleet import RuntimeName, Service
from rollout.operations import logs as written
from rollout.operations.deploy import Result, deploy_every, deploy_many, outcome
from rollout.operations.deploy import deploy as deploy_one
from rollout.operations.deploy import restart as restart_one
from rollout.operations.deploy import stop as stop_one
from rollout.store.history import KeptLog
from rollout.wiring.clock import SystemClock
from rollout.wiring.deploy import Desk, desk, host
from rollout.wiring.logs import stream

MOST_RELEASES = 10**9
PINS_TOLD = 5
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """The four commands are in the group."""
    app.command()(deploy)
    app.command()(stop)
    app.command()(restart)
    app.command()(logs)


def deploy(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="NAME or ENVIRONMENT/NAME.")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every service that has something to run.")] = False,
    release: Annotated[
        int | None, typer.Option(metavar="N", help="An old release; the setting stays.", min=1, max=MOST_RELEASES)
    ] = None,
    at_once: Annotated[int, typer.Option(help="How many at a time.", min=1, max=64)] = 8,
    json: o.Json = False,
) -> None:
    """Make a release and run it where the service runs: new copy healthy, then traffic, drain and stop the old one."""
    if bool(names) == all_ or (release is not None and (all_ or len(names or []) != 1)):
        raise UsageError("name services or say --all; --release takes one service", then="rollout service deploy --help")
    with desk("service deploy", tell=tell, say=console.say) as open_:
        services = open_.services.list() if all_ else [open_.services.find(name) for name in names or []]
        if len(services) == 1 and not all_:
            results: Sequence[Result] = [deploy_one(open_.means, services[0], number=release)]
        else:
            results = _deploy_these(open_, services, every=all_, at_once=at_once)
        if release is not None:
            setting = open_.means.deploys.standing([services[0].id])[services[0].id].setting
            console.say(f"{services[0].id}: the setting stays as it is now: {setting.runtime} ({setting.origin})")
        pinned = open_.pins([one.service for one in results if one.deployed])
    if lacking := Desk.lacking(services):
        console.say(f"no private network here ({lacking}): containers share the host's own; rollout doctor tells what that means")
    for service, pin in list(pinned.items())[:PINS_TOLD]:
        console.say(f"{service} is pinned {pin.told}")
    if len(pinned) > PINS_TOLD:
        console.say(f"and {len(pinned) - PINS_TOLD} more are pinned: rollout service list")
    _show(results, json=json)


def _deploy_these(open_: Desk, services: Sequence[Service], *, every: bool, at_once: int) -> Sequence[Result]:
    with working("deploying", len(services)) as step:
        return (deploy_every if every else deploy_many)(replace(open_.means, done=step), services, at_once=at_once)


def stop(name: o.Name, *, yes: Yes = False) -> None:
    """Stop every copy of a service; its last requests end first, its releases are kept."""
    with desk("service stop", tell=tell, say=console.say) as open_:
        service = open_.services.find(name)
        if not open_.means.deploys.placements(service.id):
            console.say(f"{service.id} does not run")
            return
        console.ask(f"Stop {running(open_, service)}? Nobody answers its requests then.", yes=yes)
        stopped = stop_one(open_.means, service.id)
    print(f"{service.id}: stopped on {' and '.join(one.runtime for one in stopped)}")


def restart(name: o.Name, *, yes: Yes = False) -> None:
    """Replace what runs of a service by a new copy of the same release."""
    with desk("service restart", tell=tell, say=console.say) as open_:
        service = open_.services.find(name)
        if open_.means.deploys.placements(service.id):
            console.ask(f"Restart {running(open_, service)}?", yes=yes)
        result = restart_one(open_.means, service)
    print(f"{service.id}: {outcome(result)}")


def logs(
    name: o.Name,
    *,
    runtime: Annotated[RuntimeName | None, typer.Option(help="Only this side.", case_sensitive=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="So many of each copy.", min=0)] = 100,
) -> None:
    """What the copies of a service wrote, newest last."""
    with desk("service logs") as open_:
        service = open_.services.find(name)
        kept = open_.kept_log(service.id)
    there = host()
    found = _there(there, service.id, runtime, lines, kept is not None and not follow)
    labelled = len({one.copy for one in found}) > 1 or follow
    for line in found:
        _print(line, labelled=labelled)
    if not found and not follow:
        _print_kept(service.id, runtime, kept, lines)
    if follow:
        for line in written.follow(there, service.id, runtime, SystemClock(), stream()):
            _print(line, labelled=labelled)


def _there(there: HostPart, service: str, runtime: RuntimeName | None, lines: int, may_be_gone: bool) -> Sequence[written.Line]:
    """What the copies that are there wrote; without a host part nothing, where something else can be told instead."""
    try:
        return written.last(there, service, runtime, lines)
    except HostGoneError:
        if not may_be_gone:
            raise
        return ()


def _print_kept(service: str, runtime: RuntimeName | None, kept: KeptLog | None, lines: int) -> None:
    """The last lines of a copy that failed and is gone, from the journal of its move, saying so."""
    if kept is None or runtime not in {None, kept.runtime}:
        console.say(f"{service} has written nothing" + (f" on {runtime}" if runtime else ""))
        return
    wave = kept.move.partition("/")[0]
    console.say(f"{service}: its copy on {kept.runtime} is gone; these are its last lines, kept at {clock(kept.at)} by {wave}:")
    for text in kept.lines[-lines:] if lines else ():
        _print(written.Line(f"{kept.runtime}.{wave}", text), labelled=False)


def _print(line: written.Line, *, labelled: bool) -> None:
    sys.stdout.write(f"{line.copy} | {line.text}\n" if labelled else f"{line.text}\n")
    sys.stdout.flush()


def tell(service: str, line: str) -> None:
    """One line about a service, to stderr."""
    console.err().print(Text(f"{service}: ", style="bold") + Text(line))


def running(open_: Desk, service: Service) -> str:
    """The service and what runs of it: `shop/api, release 3 on legacy (2 replicas)`."""
    placed = open_.means.deploys.placements(service.id)
    copies = [f"{one.replicas} replica{'s' * (one.replicas != 1)}" for one in placed]
    told = ", ".join(f"release {one.release} on {one.runtime} ({many})" for one, many in zip(placed, copies, strict=True))
    return f"{service.id}, {told}" if told else service.id


def _show(results: Sequence[Result], *, json: bool) -> None:
    """Each result to stdout, and how many; PartialError when some failed, or the one error itself."""
    failed = [one for one in results if one.error is not None]
    if json:
        console.emit({"services": [_data(one) for one in results], "failed": len(failed)})
    else:
        for one in results:
            print(f"{one.service}: {outcome(one)}")
        if len(results) != 1:
            left_out = sum(bool(one.left_out) for one in results)
            told = f", {left_out} left out" * bool(left_out)
            print(f"{len(results) - len(failed) - left_out} deployed, {len(failed)} failed{told}")
    if failed:
        names = ", ".join(one.service for one in failed[:5]) + (", …" if len(failed) > 5 else "")
        raise PartialError(
            f"{len(failed)} of {len(results)} services were not deployed: {names}",
            state="what ran of them before runs on; the others are deployed",
            then=(failed[0].error and failed[0].error.then) or f"rollout service logs {failed[0].service}",
        )


def _data(result: Result) -> dict[str, Any]:
    done = result.deployed
    return {
        "service": result.service,
        "release": done.release.number if done else None,
        "runtime": done.placement.runtime.value if done else None,
        "replaced": done.replaced if done else None,
        "unblocked": result.unblocked,
        "error": result.error.what if result.error else None,
        "left_out": result.left_out or None,
    }
