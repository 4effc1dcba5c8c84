"""`rollout up`: everything that should run on this host runs."""

from typing import Annotated

import typer

from rollout.cli import main
from rollout.cli.console import emit, say
from rollout.cli.progress import working
from rollout.model.plain import to_plain
from rollout.wiring.home import find_or_create
from rollout.wiring.host import brought_back
from rollout.wiring.host import up as bring_up
from rollout.wiring.host_desk import SCHEDULER
from rollout.wiring.noted import take_over_notes

app = typer.Typer(add_completion=False)


@app.command()
def up(
    *,
    scheduler: Annotated[bool, typer.Option(help="Keep a scheduler, which finishes and drives what nobody drives.")] = True,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Bring back what should run on this host: instances, weights, names, edge. Also after a reboot."""
    home = find_or_create()
    with working("bringing back what should run here"):
        done = bring_up(home, scheduler=scheduler and SCHEDULER in main.COMMANDS)
        led_back = take_over_notes(home)
    if json:
        emit({"home": str(home.path), **to_plain(done), "led_back": led_back})
        return
    if done.replaced:
        say(f"replaced the host part of version {done.replaced}; instances stayed")
    say(("started the host part" if done.began else "the host part runs") + brought_back(done.started))
    for service in led_back:
        say(f"{service}: the store knows now that it was led back to legacy")
    for service in done.ended:
        say(f"{service}: ended copies that the store does not know")
    for service in done.unknown:
        say(f"{service} runs here although the store places it nowhere; it was left alone")
        say(f"  to adopt it: rollout service deploy {service} (a service that is not in the fleet: rollout service add before)")
        say(f"  to end it: adopt it, then rollout service stop {service}")
    for service in done.silent:
        say(f"{service} does not answer yet; rollout service logs {service}")
    print(f"edge {done.edge}\ndns  {done.dns}")
