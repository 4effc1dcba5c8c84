"""`rollout report`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rollout.cli import console
from rollout.cli.report_text import told
from rollout.cli.when import parse_span
from rollout.model.plain import to_plain
from rollout.wiring import report as wiring

app = typer.Typer(add_completion=False)


@app.command()
def report(
    *,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one HTML page with plots; it needs no script.")] = None,
    since: Annotated[str | None, typer.Option(metavar="SPAN", help="Only what happened since then: 30m, 1h, 2d ago.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only moves of this plan, like plan-1a2b3c4d.")] = None,
    wave: Annotated[str | None, typer.Option(help="Only moves of this wave, like wave-3, or back-2 of a revert.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, nothing left out.")] = False,
) -> None:
    """What moved when, what came back and why, before and after, the longest gap, pins. Changes nothing.

    Example: rollout report --since 1d --html report.html
    """
    asked = wiring.Asked(since=parse_span(since) if since is not None else None, plan=plan, wave=wave)
    if html is not None:
        wiring.check(html)
    found = wiring.read(asked)
    if html is not None:
        from rollout.report.page import page  # noqa: PLC0415 (jinja2 is loaded for a page alone)

        size = wiring.write(page(found), html)
        console.say(f"{html} written, {-(-size // 1000)} kB; it opens in any browser")
    if as_json:
        console.emit({"report": to_plain(found)})
    elif html is None:
        console.out().print(Text("\n".join(told(found))))
