"""`python tests/bench/fleet.py [--short|--long]`: a fleet file into the store, and a tier of it out again.

`import_ratio`: `rollout service import FILE` of a JSON fleet file, reading and checking it included, over a bare `executemany`
of the rows that it leaves (services and their audit lines). `import_services_ratio`: over the rows of services alone.
`list_ratio`: `rollout service list --tier hobby --json`, over a bare SELECT of the same rows of the same table, every column.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.model.fleet import Placement, RuntimeName
from rollout.store import placements
from rollout.store.database import connect
from rollout.wiring.home import Home
from tests.bench import rigs

HOBBY = "SELECT * FROM service WHERE tier = 'hobby' ORDER BY id"


def main() -> None:
    """Prints the one line."""
    asked = rigs.arguments(__doc__ or "")
    began = time.perf_counter()
    count, times = (100_000, 3) if asked.long else (10_000, 3)
    with tempfile.TemporaryDirectory(prefix="rollout-bench-", dir=Path.cwd()) as folder:
        rigs.report("fleet", measure(Path(folder), count, times), began)


def measure(folder: Path, count: int, times: int) -> dict[str, float]:
    """The figures of a fleet of so many services."""
    file, small = rigs.fleet_file(folder / "fleet.json", count), rigs.fleet_file(folder / "fleet-small.json", 10)
    homes = iter(range(1000))

    def imported() -> dict[str, float]:
        warm = new_home(folder / f"warm-{next(homes)}"), ("service", "import", str(small))
        return rigs.timed(new_home(folder / f"home-{next(homes)}"), "service", "import", str(file), warm=warm)

    put = rigs.quickest(imported, times=times)[0]
    home = max(folder.glob("home-*"), key=lambda path: int(path.name.removeprefix("home-")))
    store, spare = home / rigs.DATABASE, str(folder / "floor.sqlite")
    rows, bare = rigs.quickest(
        lambda: rigs.floor("insert", store, into=spare, tables=["service", "audit"]),
        lambda: rigs.floor("insert", store, into=spare, tables=["service"]),
        times=times,
    )
    place_all(home)
    listing = ("service", "list", "--tier", "hobby", "--json")
    warm = folder / "warm-0"
    told, seen = rigs.quickest(
        lambda: rigs.timed(home, *listing, warm=(warm, listing)),
        lambda: rigs.floor("select", store, query=HOBBY),
        times=times,
    )
    return {
        "services": count,
        "import_ratio": round(put["seconds"] / rows["seconds"], 2),
        "import_services_ratio": round(put["seconds"] / bare["seconds"], 2),
        "import_s": round(put["seconds"], 2),
        "list_ratio": round(told["seconds"] / seen["seconds"], 2),
        "list_s": round(told["seconds"], 3),
        "startup_ms": rigs.startup_ms(warm, *listing),
        "peak_mb": max(put["peak_mb"], told["peak_mb"]),
    }


def new_home(path: Path) -> Path:
    """An empty home: making the tables is not in the time."""
    path.mkdir(mode=0o700)
    Home(path).database().close()
    return path


def place_all(home: Path) -> None:
    """Every service runs on legacy, as in a fleet that is to be moved."""
    database = Home(home).database()
    now = datetime.now(UTC)
    with connect(home / rigs.DATABASE).connect() as connection:
        names = [row[0] for row in connection.exec_driver_sql("SELECT id FROM service")]
    usual = {"runtime": RuntimeName.LEGACY, "release": 1, "replicas": 1, "weight": 100, "since": now}
    with database.writing() as session:
        placements.put(session, [Placement(service=name, token=f"{name}.1", **usual) for name in names])
    database.close()


if __name__ == "__main__":
    main()
