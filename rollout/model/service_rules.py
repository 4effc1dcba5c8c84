"""What a service must be, wherever it was written: one list of rules for command line, files and page."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from rollout.errors import UsageError
from rollout.model.fleet import Kind, Service
from rollout.model.image import Reference
from rollout.model.limits import LEAST_CPUS, LEAST_MEMORY_MB, MOST_CPUS, MOST_MEMORY_MB, MOST_PIDS, is_signal
from rollout.model.names import is_label

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_TEXTS = (
    *("name", "environment", "customer", "command", "image", "directory", "env", "env_file"),
    *("health_path", "volumes", "region", "cron", "labels"),
)
CRON_FIELDS = 5
HIGHEST_PORT = 65535
MOST_REPLICAS = 1000
MOST_RESTARTS = 1_000_000
LONGEST_S = 86_400


def problems(service: Service) -> list[tuple[str, str]]:
    """Each rule that the service breaks: the field, and why. Empty: it is good."""
    return [found for rule in (_named, _numbers, _health, _schedule, _signal, _env, _image, _text) for found in rule(service)]


def _named(service: Service) -> Iterator[tuple[str, str]]:
    for field in ("name", "environment"):
        value = getattr(service, field)
        if not is_label(value):
            yield field, f"{value!r} is not a DNS label: a-z, 0-9 and inner hyphens, at most 63"
    if not service.customer.strip():
        yield "customer", "must not be empty"
    if service.command in ("", ()):
        yield "command", "must not be empty; leave it out where there is none"


_LIMITS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "port": (lambda n: 1 <= n <= HIGHEST_PORT, f"is not a port from 1 to {HIGHEST_PORT}"),
    "replicas": (lambda n: 1 <= n <= MOST_REPLICAS, f"is not from 1 to {MOST_REPLICAS}"),
    "health_timeout_s": (lambda n: 0 < n <= LONGEST_S, f"is not more than 0 and at most {LONGEST_S} seconds"),
    "draining_s": (lambda n: 0 <= n <= LONGEST_S, f"is not from 0 to {LONGEST_S} seconds"),
    "restart_max": (lambda n: 0 <= n <= MOST_RESTARTS, f"is not from 0 to {MOST_RESTARTS}"),
    "memory_mb": (lambda n: LEAST_MEMORY_MB <= n <= MOST_MEMORY_MB, f"is not from {LEAST_MEMORY_MB} to {MOST_MEMORY_MB} MiB"),
    "cpus": (lambda n: LEAST_CPUS <= n <= MOST_CPUS, f"is not from {LEAST_CPUS} to {MOST_CPUS:g} processors"),
    "pids_max": (lambda n: 1 <= n <= MOST_PIDS, f"is not from 1 to {MOST_PIDS}"),
}


def _numbers(service: Service) -> Iterator[tuple[str, str]]:
    for field, (holds, told) in _LIMITS.items():
        value = getattr(service, field)
        if value is not None and not holds(value):
            yield field, f"{value} {told}"


def _health(service: Service) -> Iterator[tuple[str, str]]:
    path = service.health_path
    if path is None:
        return
    if not path.startswith("/") or any(c.isspace() for c in path):
        yield "health_path", f"{path!r} does not begin with / or has blanks"
    if service.kind is not Kind.HTTP and service.kind is not Kind.CRON:
        yield "health_path", f"a {service.kind.value} service has no health path: it is watched by its port or process"


def _schedule(service: Service) -> Iterator[tuple[str, str]]:
    if service.kind is Kind.CRON and not service.cron:
        yield "cron", "a cron service needs a schedule of five fields, e.g. '*/5 * * * *'"
    if service.cron and service.kind is not Kind.CRON:
        yield "cron", f"a schedule needs kind cron, not {service.kind.value}"
    if service.cron and len(service.cron.split()) != CRON_FIELDS:
        yield "cron", f"{service.cron!r} has not five fields"


def _signal(service: Service) -> Iterator[tuple[str, str]]:
    if service.stop_signal is not None and not is_signal(service.stop_signal):
        yield "stop_signal", f"{service.stop_signal!r} is no signal such as SIGTERM, SIGINT or SIGQUIT"


def _env(service: Service) -> Iterator[tuple[str, str]]:
    for name in service.env:
        if not _ENV_NAME.fullmatch(name):
            yield "env", f"{name!r} is not a name of a variable"


def _image(service: Service) -> Iterator[tuple[str, str]]:
    if service.image:
        try:
            Reference.parse(service.image)
        except UsageError as error:
            yield "image", f"{error.what.removeprefix('image ')}: {error.then}"


def _text(service: Service) -> Iterator[tuple[str, str]]:
    """No NUL and no half characters: they can be in no file name, no argv and no UTF-8."""
    texts = [(field, value) for field in _TEXTS if (value := getattr(service, field))]
    if not _UNUSABLE.search("".join([text for _, value in texts for text in _strings(value)])):
        return
    for field, value in texts:
        if any(_UNUSABLE.search(text) for text in _strings(value)):
            yield field, "holds a character that no program can be given (NUL or half a character)"


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    return [item for item in value if isinstance(item, str)] if isinstance(value, tuple) else ()
