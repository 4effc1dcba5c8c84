"""What the benchmarks of fleet and plan share: a fleet, commands timed in a process of their own, the floors, the one line."""

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TIERS = ("trial", "hobby", "pro", "enterprise")
SHARES = (30, 40, 25, 5)
DATABASE = "store.sqlite"


def arguments(description: str, parts: Sequence[str] = ()) -> argparse.Namespace:
    """`--short` or `--long`; without either, short. Where it has parts, `--only` names those of them that run."""
    parser = argparse.ArgumentParser(description=description)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="fewer services, for every day (the default)")
    size.add_argument("--long", action="store_true", help="the size that the figures are promised for")
    if parts:
        parser.add_argument("--only", type=lambda text: text.split(","), default=parts, help=f"some of {','.join(parts)}")
    asked = parser.parse_args()
    if unknown := set(asked.only if parts else ()) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    return asked


def entries(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Services as a fleet file has them, in no order: ten of each customer, five of each environment, all kinds."""
    chance = random.Random(seed)
    customers = max(1, count // 10)
    tiers = chance.choices(TIERS, SHARES, k=customers)
    numbers = list(range(count))
    chance.shuffle(numbers)
    for number in numbers:
        owner = number % customers
        place = number // customers % 2
        yield _entry(chance, number, f"customer-{owner:06}", tiers[owner], f"place-{owner:06}-{place}")


def _entry(chance: random.Random, number: int, customer: str, tier: str, environment: str) -> dict[str, Any]:
    kind = chance.choices(("http", "worker", "tcp", "cron"), (85, 7, 5, 3))[0]
    entry: dict[str, Any] = {
        "name": f"service-{number:07}",
        "environment": environment,
        "customer": customer,
        "tier": tier,
        "kind": kind,
        "command": ["python3", "-m", "http.server", "--bind", "127.0.0.1"] if number % 2 else "exec node server.js --port $PORT",
        "env": {"LOG_LEVEL": "info", "TOKEN": f"{chance.getrandbits(64):016x}", "DATABASE_URL": f"postgres://db/{number}"},
        "replicas": chance.choice((1, 1, 1, 2, 3)),
        "draining_s": chance.choice((5, 10, 30)),
        "labels": {"team": f"team-{number % 40}"},
    }
    if kind == "http":
        entry |= {"health_path": "/health", "health_timeout_s": chance.choice((10, 30))}
    if kind == "cron":
        entry["cron"] = "*/5 * * * *"
    if number % 20 == 0:
        entry["volumes"] = ["/data"]
    if number % 33 == 0:
        entry["port"] = 8080
    return entry


def fleet_file(path: Path, count: int) -> Path:
    """A fleet file in JSON, as a script would write it: indented, without blanks saved."""
    path.write_text(json.dumps({"format_version": 1, "services": list(entries(count))}, indent=2))
    return path


def timed(home: Path, *words: str, warm: tuple[Path, tuple[str, ...]]) -> dict[str, float]:
    """Seconds and peak memory (MB) of one command in a process of its own, everything imported by a first, small run of it."""
    task = {"home": str(home), "words": words, "warm_home": str(warm[0]), "warm_words": warm[1]}
    return _child("timed.py", task, {**os.environ, "PYTHONPATH": str(ROOT)})


def floor(kind: str, database: Path, **task: Any) -> dict[str, float]:
    """Seconds of what the standard `sqlite3` needs, in a process of its own that knows nothing else."""
    return _child("floor.py", {"kind": kind, "database": str(database), **task}, dict(os.environ))


def _child(script: str, task: dict[str, Any], environment: dict[str, str]) -> dict[str, float]:
    words = [sys.executable, str(HERE / script), json.dumps(task)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} failed ({done.returncode}):\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def startup_ms(home: Path, *words: str, times: int = 3) -> float:
    """The usual wall time of a whole command that has next to nothing to do: start, imports, opening the store."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROLLOUT_HOME": str(home)}
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rollout", *words], env=environment, capture_output=True, check=True)
        taken.append(time.perf_counter() - begin)
    return round(statistics.median(taken) * 1000)


def quickest(*measures: Callable[[], dict[str, float]], times: int) -> list[dict[str, float]]:
    """Of each measure the run that was disturbed least, by its seconds. They take turns, so that all meet the same machine."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [min(runs, key=lambda run: run["seconds"]) for runs in zip(*rounds, strict=True)]


def report(name: str, figures: dict[str, float], began: float) -> None:
    """The one line."""
    line = {
        "name": name,
        "figures": figures,
        "peers": {"sqlite3": sqlite3.sqlite_version},
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "seconds": round(time.perf_counter() - began, 1),
    }
    sys.stdout.write(json.dumps(line) + "\n")
