"""The path of a Compose health check that asks a server of its own container, where that is all that it does."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "[::1]"}
USUAL_PORT = 80
_ENDINGS = re.compile(r"\s*(?:\d?>\s*/dev/null|\d?>&\d|&>\s*/dev/null|\|\|\s*(?:exit|kill)\s+-?\w+(?:\s+\d+)?)\s*$")
_QUOTED = re.compile(r"""'[^']*'|"[^"`$]*\"""")
_SHELL = re.compile(r"[|&;<>`$()\n]")
_CALLS: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "curl": (
        re.compile(r"-[fsSLIkgvi46]+|--(?:fail|silent|show-error|location|head|insecure|globoff|verbose|include|ipv4|ipv6)"),
        re.compile(r"-[fsSLIkgvi]*[om]|--(?:output|max-time|connect-timeout|retry|retry-delay)"),
    ),
    "wget": (
        re.compile(r"-[qSv46]+|-nv|-q?O-|-q?O/dev/null|--(?:quiet|spider|no-verbose|no-check-certificate|server-response)"),
        re.compile(r"-q?[TtO]|--(?:timeout|tries|output-document)"),
    ),
}
"""Program → options that stand alone, and options with a value; any other (a method, a header, data) asks something else."""
_WITH_VALUE = re.compile(r"(--[\w-]+)=\S*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the check asks for by HTTP, and on which port."""

    port: int
    path: str


def asked(test: object) -> Asked | None:
    """What `healthcheck.test` asks for, its variables filled in; None where it does anything else than one plain GET."""
    words = _words(test)
    urls = list(_urls(words)) if words else []
    if len(urls) != 1:
        return None
    try:
        url = urlsplit(urls[0] if "://" in urls[0] else f"http://{urls[0]}")
        port = url.port or USUAL_PORT
    except ValueError:
        return None
    if url.scheme != "http" or url.hostname not in HERE or url.username:
        return None
    return Asked(port, (url.path or "/") + (f"?{url.query}" if url.query else ""))


def _words(test: object) -> list[str]:
    """The call of curl or wget; empty where it is none, or where a shell would do more than to start it."""
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    if not isinstance(test, list) or not all(isinstance(word, str) for word in test) or len(test) < 2:
        return []
    words = test[1:]
    if test[0] == "CMD-SHELL":
        words = _of_shell(test[1]) if len(test) == 2 else []
    elif test[0] != "CMD":
        return []
    elif len(words) == 3 and words[0].rpartition("/")[2] in {"sh", "bash"} and words[1] == "-c":
        words = _of_shell(words[2])
    return words


def _of_shell(line: str) -> list[str]:
    while (shorter := _ENDINGS.sub("", line)) != line:
        line = shorter
    try:
        words = shlex.split(line)
    except ValueError:
        return []
    return [] if _SHELL.search(_QUOTED.sub("", line)) else words


def _urls(words: list[str]) -> Iterator[str]:
    """The words that are no option; two of them (so that nothing is taken) where an option is not known."""
    known = _CALLS.get(words[0].rpartition("/")[2])
    if known is None:
        return
    alone, valued = known
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-"):
            yield word
        elif valued.fullmatch(word):
            next(rest, None)
        elif (pair := _WITH_VALUE.fullmatch(word)) and valued.fullmatch(pair[1]):
            continue
        elif not alone.fullmatch(word):
            yield from ("", "")
