"""The options that describe a service, shared by `service add` and `service set`, and what they mean."""

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rollout.errors import UsageError
from rollout.manifests import env_file as env_files
from rollout.model import limits
from rollout.model.fleet import EngineName, Kind, RestartPolicy, Tier
from rollout.model.image import Form
from rollout.model.ports import RULE

Customer = Annotated[str | None, typer.Option(help="Who owns it. add: you, by your user name.")]
TierOption = Annotated[Tier | None, typer.Option("--tier", help="What the customer pays for.", case_sensitive=False)]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="How it is reached. add: http.", case_sensitive=False)]
Command = Annotated[str | None, typer.Option(help="What it runs, by /bin/sh -c. Or write the words after --.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="-- WORDS", help="What it runs; $PORT is filled in.")]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE",
        help="What it runs: oci:PATH:TAG, oci-archive:FILE, docker-archive:FILE, REGISTRY/NAME:TAG, or what an engine has.",
    ),
]
Directory = Annotated[Path | None, typer.Option(help="Its working directory. add: this one.", file_okay=False)]
Env = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable; kept secret. Repeatable.")]
EnvFile = Annotated[Path | None, typer.Option(help="A file of NAME=VALUE lines, read at each deploy.")]
PORT_HELP = f"env: it obeys PORT (default). A number: it listens there. Traffic goes to {RULE}."
Port = Annotated[str | None, typer.Option(metavar="env|N", help=PORT_HELP)]
HealthPath = Annotated[str | None, typer.Option(help="Path that answers when it is healthy. None: a TCP connect.")]
HealthTimeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long it may take to become healthy; to listen at all, at least 60.")
]
Replicas = Annotated[int | None, typer.Option(help="How many copies.")]
Volume = Annotated[list[str] | None, typer.Option(help="NAME:/PATH or /FOLDER:/PATH[:ro], for one copy. Repeatable.")]
Region = Annotated[str | None, typer.Option(help="Where it should run.")]
Restart = Annotated[RestartPolicy | None, typer.Option(help="When a copy that ended starts again.", case_sensitive=False)]
RestartMax = Annotated[int | None, typer.Option(help="How often it is started again.")]
Draining = Annotated[float | None, typer.Option(metavar="SECONDS", help="How long its last requests may take when it stops.")]
Label = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label. Repeatable.")]
Engine = Annotated[
    EngineName | None,
    typer.Option(
        help="What runs it. Default: the home's; an image alone: containers, on the host's network.", case_sensitive=False
    ),
]
Cron = Annotated[str | None, typer.Option(help="When it runs, five fields; makes it a cron service.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="Of a container: its memory, e.g. 512m, 1g. Default: no limit.")]
Cpus = Annotated[str | None, typer.Option(metavar="N", help="Of a container: its processors, e.g. 0.5. Default: no limit.")]
Pids = Annotated[int | None, typer.Option(help="Of a container: its processes and threads. Default: 4096.")]
ReadOnly = Annotated[
    bool | None, typer.Option("--read-only/--no-read-only", help="Of a container: only its volumes can be written to.")
]
StopSignal = Annotated[str | None, typer.Option(metavar="SIGNAL", help="What ends it. Default: the image's, else SIGTERM.")]
Unset = Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Take away a field, env.NAME or labels.NAME. Repeatable.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Name = Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME.")]

_DESCRIBE = {
    "words": Words,
    "customer": Customer,
    "tier": TierOption,
    "kind": KindOption,
    "command": Command,
    "image": Image,
    "directory": Directory,
    "env": Env,
    "env_file": EnvFile,
    "port": Port,
    "health_path": HealthPath,
    "health_timeout": HealthTimeout,
    "replicas": Replicas,
    "volume": Volume,
    "region": Region,
    "restart": Restart,
    "restart_max": RestartMax,
    "draining": Draining,
    "label": Label,
    "engine": Engine,
    "cron": Cron,
    "memory": Memory,
    "cpus": Cpus,
    "pids": Pids,
    "read_only": ReadOnly,
    "stop_signal": StopSignal,
}
_SAME = (
    *("customer", "tier", "kind", "image", "health_path", "replicas", "region", "restart", "restart_max", "engine", "cron"),
    "read_only",
)
_RENAMED = {"health_timeout": "health_timeout_s", "draining": "draining_s", "pids": "pids_max"}
_READ: Mapping[str, tuple[str, Callable[[str], object], str]] = {
    "memory": ("memory_mb", limits.memory_mb, "512m"),
    "cpus": ("cpus", limits.cpus, "0.5"),
    "stop_signal": ("stop_signal", limits.stop_signal, "SIGTERM"),
}
"""By option: the field, how it is read, and an example."""
_REFERENCE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")


def described(command: Callable[..., None]) -> Callable[..., None]:
    """The command takes every option that describes a service, after its arguments; it gets them as its `**options`."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    kind = inspect.Parameter.KEYWORD_ONLY
    many = [inspect.Parameter(name, kind, default=None, annotation=of) for name, of in _DESCRIBE.items()]
    arguments = [one for one in own if one.kind is not one.KEYWORD_ONLY]
    parameters = [*arguments, *many, *own[len(arguments) :]]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # functions take attributes
    return command


def fields_of(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a service that the options name; what was not given is not in it. UsageError where one does not fit."""
    given = {name: value for name, value in options.items() if value not in (None, [], "")}
    fields = {name: given[name] for name in _SAME if name in given}
    fields |= {field: given[name] for name, field in _RENAMED.items() if name in given}
    fields |= {field: _read(name, given[name]) for name, (field, _, _) in _READ.items() if name in given}
    if "cron" in given:
        fields.setdefault("kind", Kind.CRON)
    if "command" in given or "words" in given:
        fields["command"] = command_of(given.get("command"), given.get("words", []))
    if "directory" in given:
        fields["directory"] = str(given["directory"].resolve())
    if "image" in given:
        fields["image"] = image_of(given["image"])
    if "env_file" in given:
        env_files.read(given["env_file"])
        fields["env_file"] = str(given["env_file"].resolve())
    if "port" in given:
        fields["port"] = _port(given["port"])
    if "volume" in given:
        fields["volumes"] = tuple(given["volume"])
    return fields | {field: pairs(name, given[name]) for name, field in (("env", "env"), ("label", "labels")) if name in given}


def command_of(command: str | None, words: list[str]) -> str | tuple[str, ...]:
    """What the service runs. Words that name a variable ($PORT) are run by a shell that fills it in; others as they are."""
    if command and words:
        raise UsageError("--command and words after -- both say what it runs", then="give one of them")
    if command:
        return command
    if any(_REFERENCE.search(word) for word in words):
        return "exec " + " ".join(_in_quotes(word) for word in words)
    return tuple(words)


def image_of(text: str) -> str:
    """The image as it is written, its path made whole where it has one."""
    form, colon, rest = text.partition(":")
    if not colon or form not in {one.value for one in Form if one.file}:
        return text
    path, colon, tag = rest.partition(":")
    return f"{form}:{Path(path).resolve()}{colon}{tag}"


def _in_quotes(word: str) -> str:
    """The word in double quotes: a shell fills in its variables and changes nothing else."""
    parts, at = [], 0
    for found in _REFERENCE.finditer(word):
        parts += [_literal(word[at : found.start()]), found.group()]
        at = found.end()
    return '"' + "".join([*parts, _literal(word[at:])]) + '"'


def _literal(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def _port(text: str) -> int | None:
    if text == "env":
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"--port {text}: neither env nor a number", then="--port env, or --port 8080")
    return int(text)


def _read(option: str, text: str) -> object:
    _, reader, example = _READ[option]
    name = option.replace("_", "-")
    try:
        return reader(text)
    except ValueError as error:
        raise UsageError(f"--{name} {error}", then=f"e.g. --{name} {example}") from error


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a table. The error never tells a value."""
    table = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--{option} {name}: expected NAME=VALUE", then=f"--{option} {name or 'NAME'}=…")
        table[name] = value
    return table
