"""`python tests/bench/plan.py [--short|--long]`: a plan of a large fleet, under the policy that is shipped as the default.

`plan_ratio`: `rollout plan --out FILE` (reading, planning, hashing, store, file, the summary on the screen) over the standard
`sqlite3` fetching every column of the same services, `ORDER BY tier, customer, name`, in a process of its own.
`growth_ratio`: time per service with all of them over time per service with 10,000.
"""

import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.model.fleet import Kind, Placement, RuntimeName, Service, Tier
from rollout.store import placements
from rollout.store.services import Services
from rollout.wiring.home import Home
from tests.bench import rigs

EVERY = "SELECT * FROM service ORDER BY tier, customer, name"
BASE = 10_000
AT_ONCE = 50_000


def main() -> None:
    """Prints the one line."""
    asked = rigs.arguments(__doc__ or "")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="rollout-bench-", dir=Path.cwd()) as folder:
        figures = measure(Path(folder), 1_000_000, 2) if asked.long else measure(Path(folder), 30_000, 3)
        rigs.report("plan", figures, began)


def measure(folder: Path, count: int, times: int) -> dict[str, float]:
    """The figures of a fleet of so many services."""
    warm, base, home = (fleet(folder / name, size) for name, size in (("warm", 10), ("base", BASE), ("home", count)))
    floor, small, large = rigs.quickest(
        lambda: rigs.floor("select", home / rigs.DATABASE, query=EVERY),
        lambda: planned(base, warm, folder),
        lambda: planned(home, warm, folder),
        times=times,
    )
    each = large["seconds"] / count
    return {
        "services": count,
        "plan_ratio": round(large["seconds"] / floor["seconds"], 2),
        "growth_ratio": round(each / (small["seconds"] / BASE), 2),
        "plan_s": round(large["seconds"], 2),
        "floor_s": round(floor["seconds"], 2),
        "us_per_service": round(each * 1e6, 1),
        "startup_ms": rigs.startup_ms(warm, "plan"),
        "peak_mb": large["peak_mb"],
    }


def planned(home: Path, warm: Path, folder: Path) -> dict[str, float]:
    """One planning in a copy of the home: planning twice would find the first plan unchanged."""
    copy = folder / "copy"
    shutil.copytree(home, copy)
    warm_words = ("plan", "--out", str(folder / "warm.json"))
    try:
        return rigs.timed(copy, "plan", "--out", str(folder / "plan.json"), warm=(warm, warm_words))
    finally:
        shutil.rmtree(copy)


def fleet(home: Path, count: int) -> Path:
    """A home with so many services that all run on legacy."""
    home.mkdir(mode=0o700)
    opened = Home(home)
    database = opened.database()
    now = datetime.now(UTC)
    services = Services(database, opened.keyed_hash, lambda: now)
    waiting = map(service, rigs.entries(count))
    usual: dict[str, Any] = {"runtime": RuntimeName.LEGACY, "release": 1, "replicas": 1, "weight": 100, "since": now}
    while some := list(islice(waiting, AT_ONCE)):
        services.put(some, who="bench")
        with database.writing() as session:
            placements.put(session, [Placement(service=each.id, token=f"{each.id}.1", **usual) for each in some])
    database.close()
    return home


def service(entry: dict[str, Any]) -> Service:
    """The service of an entry of a fleet file."""
    command = entry["command"]
    told = {"tier": Tier(entry["tier"]), "kind": Kind(entry["kind"]), "volumes": tuple(entry.get("volumes", ()))}
    return Service(**{**entry, **told, "command": tuple(command) if isinstance(command, list) else command})


if __name__ == "__main__":
    main()
