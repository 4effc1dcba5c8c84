"""One service of a Compose file: fields of ours, each read in all the ways in which Compose lets people write it."""

import re
import shlex
from collections.abc import Iterator
from difflib import get_close_matches

from rollout.manifests import compose_env, compose_limits, compose_ports, compose_reached, fields
from rollout.manifests.compose_source import Reading, Source, scalar
from rollout.manifests.draft import Draft, Given
from rollout.model.fleet import RestartPolicy
from rollout.model.names import to_label

SILENT = ("engine", "region", "health_timeout_s")
TAKEN = (
    *("image", "command", "entrypoint", "environment", "env_file", "ports", "volumes", "healthcheck", "deploy", "restart"),
    *compose_limits.TAKEN,
)
FOLLOWED = "extends"
_KNOWN = set(
    """annotations attach build blkio_config cap_add cap_drop cgroup cgroup_parent configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on develop
device_cgroup_rules devices dns dns_opt dns_search domainname expose external_links extra_hosts gpus group_add hostname init
ipc isolation label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models
network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform post_start pre_stop privileged profiles provider
pull_policy pull_refresh_after read_only runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal
storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes_from working_dir extends""".split()  # noqa: SIM905 (a list of so many words would not be read)
)


def draft(source: Source, name: str, given: Given, *, notes: tuple[str, ...], left_out: tuple[str, ...]) -> Draft:
    """The service as a draft; `notes` and `left_out` of the file are added to its own. FileProblemError with the line."""
    entry = source.at(("services", name))
    if not isinstance(entry, dict):
        raise source.unfit(("services", name), f"must be a table, not {fields.told(entry)}")
    reading = Reading(source, name, entry)
    _keys(reading)
    source.variables.told.clear()
    reading.values = {"name": given.name or to_label(name), "environment": given.environment}
    reading.values["directory"] = str(source.file.resolve().parent)
    if not reading.values["name"]:
        raise source.unfit(("services", name), "has a name without a letter or digit: give one by a mapping file")
    if not given.name and reading.values["name"] != name:
        reading.note(f"{name} is called {reading.values['name']} here: names are DNS labels")
    for step in (_image, _command, compose_env.read, _volumes, _deploy, compose_limits.read, _restart):
        step(reading)
    compose_reached.read(reading, given.kind)
    return Draft(
        file=source.file,
        locate=lambda: source.document.line_of(("services", name)),
        values=reading.values,
        silent=SILENT,
        left_out=(*left_out, *reading.left_out),
        notes=(*notes, *reading.notes, *source.variables.told),
    )


def _keys(reading: Reading) -> None:
    """Keys that are not ours are named; one that Compose does not know either and that is nearly ours is a typo."""
    known = {*TAKEN, *_KNOWN}
    for key in reading.entry:
        if key in TAKEN or (key == "expose" and not reading.has("ports")):
            continue
        if key == FOLLOWED:
            raise reading.source.unfit(reading.place(key), "is not followed; import what `docker compose config` writes")
        if key not in known and not key.startswith("x-") and (near := get_close_matches(key, sorted(known), n=1, cutoff=0.8)):
            raise reading.source.unfit(reading.place(key), f"unknown key; did you mean {near[0]}?")
        reading.leave(key)


def _image(reading: Reading) -> None:
    if reading.has("image") and (image := reading.source.text(reading.place("image")).strip()):
        reading.values["image"] = image


def _command(reading: Reading) -> None:
    """Entrypoint and command are one list of words; a string is split as Compose splits it, and no shell runs it."""
    words = [word for key in ("entrypoint", "command") if reading.has(key) for word in _words(reading, key)]
    if words:
        reading.values["command"] = tuple(words)
    if words and reading.has("entrypoint"):
        reading.note("entrypoint and command are one command")


def _words(reading: Reading, key: str) -> tuple[str, ...]:
    def words(value: object) -> tuple[str, ...]:
        return tuple(shlex.split(value)) if isinstance(value, str) else tuple(_scalars(value))

    return fields.strings(reading.source.read(reading.place(key), words))


def _scalars(value: object) -> Iterator[str]:
    if not isinstance(value, list):
        raise ValueError(f"must be a string or a list, not {fields.told(value)}")
    for item in value:
        yield scalar(item)


def _volumes(reading: Reading) -> None:
    folder = reading.source.file.resolve().parent
    kept = []
    for volume in reading.each("volumes", lambda item: compose_ports.volume(item, folder)):
        kept += [volume.text] * (volume.text is not None)
        for key in volume.left_out:
            reading.leave(f"volumes.{key}")
    reading.values["volumes"] = tuple(kept)


def _deploy(reading: Reading) -> None:
    for key in reading.table("deploy"):
        if key not in {"replicas", compose_limits.RESOURCES}:
            reading.leave(f"deploy.{key}")
    if reading.source.at(reading.place("deploy", "replicas")) is not None:
        reading.values["replicas"] = reading.source.read(reading.place("deploy", "replicas"), compose_ports.number)


_TIMES = re.compile("[0-9]{1,9}")
_RESTART = {"no": RestartPolicy.NEVER, "false": RestartPolicy.NEVER, "always": RestartPolicy.ALWAYS}


def _restart(reading: Reading) -> None:
    if not reading.has("restart"):
        return
    word, _, times = scalar(reading.source.filled(reading.place("restart"))).strip().partition(":")
    if word == "on-failure" and (not times or _TIMES.fullmatch(times)):
        reading.values["restart"] = RestartPolicy.ON_FAILURE
        reading.values |= {"restart_max": int(times)} if times else {}
    elif word == "unless-stopped" and not times:
        reading.values["restart"] = RestartPolicy.ALWAYS
        reading.note("restart unless-stopped is always: what was stopped here stays stopped")
    elif word in _RESTART and not times:
        reading.values["restart"] = _RESTART[word]
    else:
        raise reading.source.unfit(reading.place("restart"), "is none of no, always, unless-stopped, on-failure[:TIMES]")
