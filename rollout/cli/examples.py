"""Examples for `--help`: command → command lines. A test runs each of them in a prepared home."""

from datetime import datetime, timedelta

EXAMPLES: dict[str, tuple[str, ...]] = {
    "plan": ("rollout plan", "rollout plan --tier trial --tier hobby", "rollout plan --service shop/api --out plan.json"),
    "show": ("rollout show wave-1", "rollout show plan.json"),
    "execute": ("rollout execute wave-1 --dry-run", "rollout execute wave-1"),
    "status": ("rollout status", "rollout status wave-1 --json"),
    "explain": ("rollout explain shop/api",),
    "log": ("rollout log --since 1h", "rollout log shop/api"),
    "pause": ('rollout pause --reason "the network is slow"', "rollout pause wave-1"),
    "resume": ("rollout resume", 'rollout resume wave-1 --reason "the fault is found"'),
    "approve": ('rollout approve wave-1 --reason "agreed with its owners"',),
    "abort": ('rollout abort wave-1 --reason "not today"',),
    "fail": ('rollout fail shop/api --reason "it shows wrong prices"',),
    "revert": ('rollout revert shop/api --reason "its owner asked for it"', "rollout revert wave-1"),
    "retry": ("rollout retry shop/api",),
    "pin": ('rollout pin shop/api --reason "a trade fair" --until 30d',),
    "unpin": ("rollout unpin shop/api",),
    "finalize": ("rollout finalize --check",),
    "demo": ("rollout demo",),
    "report": ("rollout report", "rollout report --html report.html"),
    "up": ("rollout up",),
    "down": ("rollout down --yes",),
    "scheduler": ("rollout scheduler --once",),
    "doctor": ("rollout doctor", "rollout doctor --json"),
    "service add": (
        "rollout service add shop/api --tier hobby -- ./api --port '$PORT'",
        "rollout service add shop/mail --tier pro --kind worker --command ./mail",
    ),
    "service set": (
        "rollout service set shop/api --replicas 2",
        "rollout service set shop/api --env PRICE=9 --health-path /ready",
    ),
    "service remove": ("rollout service remove shop/api --yes",),
    "service list": ("rollout service list --tier hobby", "rollout service list --customer acme --json"),
    "service show": ("rollout service show shop/api",),
    "service import": ("rollout service import compose.yaml --tier pro --customer acme --dry-run",),
    "service export": ("rollout service export --out fleet.toml", "rollout service export shop/api --format json"),
    "service deploy": ("rollout service deploy shop/api", "rollout service deploy --all"),
    "service stop": ("rollout service stop shop/api --yes",),
    "service restart": ("rollout service restart shop/api --yes",),
    "service logs": ("rollout service logs shop/api --lines 20",),
    "environment list": ("rollout environment list", "rollout environment list --json"),
    "environment set": ("rollout environment set shop --egress open",),
    "schedule add": (
        'rollout schedule add wave-1 --at "{tomorrow} 02:00" --timezone Europe/Berlin',
        'rollout schedule add wave-1 --cron "0 2 * * SUN" --window 2h',
    ),
    "schedule list": ("rollout schedule list --all",),
    "schedule next": ("rollout schedule next wave-1 -n 3",),
    "schedule remove": ("rollout schedule remove wave-1",),
    "policy use": ("rollout policy use runtime-v2", "rollout policy use my.toml"),
    "policy list": ("rollout policy list",),
    "policy show": ("rollout policy show default",),
    "image show": ("rollout image show web.tar", "rollout image show web.tar --tag latest --json"),
    "image list": ("rollout image list", "rollout image list --json"),
    "image prune": ("rollout image prune", "rollout image prune --yes"),
    "store unlock": ('rollout store unlock 1 --reason "its machine is gone"',),
}


def lines(path: str) -> list[str]:
    """The examples of a command; none where it has none. Dates in them are still to come."""
    tomorrow = str((datetime.now() + timedelta(days=1)).date())
    return [line.replace("{tomorrow}", tomorrow) for line in EXAMPLES.get(path, ())]


def block(path: str) -> str:
    """The examples as they stand at the end of the help of a command; empty where it has none."""
    shown = lines(path)
    heading = "[bold]Example[/]" if len(shown) == 1 else "[bold]Examples[/]"
    return "\n".join([heading, *shown]) if shown else ""
