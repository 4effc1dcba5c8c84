"""Golden transcripts: a file of `$ rollout …` lines, each with what it printed and its exit code.

The commands run in this process. Masked are times, ids, ports, the home and the host, and what `doctor` finds of the machine
(MACHINE) as long as it is not bad; nothing else. `ROLLOUT_GOLDEN=write` writes what was printed in place of comparing it.
"""

import contextlib
import difflib
import io
import os
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest

from rollout.cli.main import main

HERE = Path(__file__).parent
MACHINE = (
    "python",
    "sqlite",
    "envoy",
    "loopback",
    "files",
    "disk",
    "fsync",
    "time zones",
    "network",
    "inotify",
    "clock",
    "docker",
    "podman",
    "skopeo",
)
MASKS = (
    (re.compile(rf"(?m)^({'|'.join(MACHINE)})( +)(?:good|missing)  .*\n(?: +→ .*\n)?"), r"\1\2<machine>\n"),
    (re.compile(r"(?m)^([a-z ]+ (?:good|missing) +\S.*?|  +→ .*?) +$"), r"\1"),
    (re.compile(r"\b\d+\.\d MiB"), "<size>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "<moment>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "<moment>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "<time>"),
    (re.compile(r"\(\d+ s\)"), "(<span>)"),
    (re.compile(r"\b\d+\.\d s\b"), "<seconds>"),
    (re.compile(r"(?m)^\d+ s in all$"), "<seconds> in all"),
    (re.compile(r"written, \d+ kB"), "written, <size>"),
    (re.compile(r"plan-[0-9a-f]{8}"), "plan-<id>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"(policy [\w-]+) [0-9a-f]{8}\b"), r"\1 <hash>"),
    (re.compile(r"(?m)^([a-z][\w-]* +)[0-9a-f]{8}  "), r"\1<hash>    "),
    (re.compile(r"process \d+"), "process <pid>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"(?m)^rollout \d+\.\d+\.\d+\S*$"), "rollout <version>"),
)


def masked(text: str, home: Path) -> str:
    text = text.replace(str(home), "<home>").replace(str(home.parent), "<folder>").replace(socket.gethostname(), "<host>")
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def run(line: str) -> str:
    """What `$ rollout …` prints: stdout (lines that look like ours moved in), stderr marked by `! `, the exit code if not 0."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(shlex.split(line)[1:])
        except SystemExit as ending:
            code = ending.code
    said = re.sub(r"(?m)^(?=#|\$ )", " ", out.getvalue()) + "".join(f"! {text}\n" for text in err.getvalue().splitlines())
    return said + (f"[exit {code}]\n" if code else "")


def check(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the transcript prints what stands there."""
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("COLUMNS", raising=False)  # a pipe is as wide as what goes through it; pytest's workers set 79
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    path = HERE / name
    golden = path.read_text()
    told = ""
    for line in golden.splitlines(keepends=True):
        if line.startswith("$ "):
            told += line + masked(run(line[2:]), home)
        elif line.startswith("#"):
            told += f"\n{line}" if told else line
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        path.write_text(told)
    assert told == golden, "".join(difflib.unified_diff(golden.splitlines(True), told.splitlines(True), name, "told"))
