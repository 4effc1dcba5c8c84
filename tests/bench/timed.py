"""One command of rollout in this process, timed after all it needs was imported by a small run of it elsewhere."""

import json
import os
import resource
import sys
import time

from rollout.cli.main import main


def run(home: str, words: list[str]) -> float:
    """Seconds of the command; what it prints goes nowhere, an error ends this process."""
    os.environ["ROLLOUT_HOME"] = home
    told = sys.stdout
    begin = time.perf_counter()
    try:
        with open(os.devnull, "w", encoding="utf-8") as sys.stdout:
            main(words)
    except SystemExit as ending:
        if ending.code:
            raise
    finally:
        sys.stdout = told
    return time.perf_counter() - begin


task = json.loads(sys.argv[1])
run(task["warm_home"], task["warm_words"])
seconds = run(task["home"], task["words"])
unit = 1 if sys.platform == "darwin" else 1024
peak_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))
