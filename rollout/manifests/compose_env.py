"""The variables of a Compose service: `environment` and `env_file`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollout.errors import UsageError
from rollout.manifests import env_file, fields
from rollout.manifests.compose_source import Reading, scalar
from rollout.manifests.document import Place

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read(reading: Reading) -> None:
    """`env` and `env_file` are among the values."""
    _environment(reading)
    _env_files(reading)


def _environment(reading: Reading) -> None:
    """A table, or a list of NAME=VALUE. A NAME alone has the value of whoever imports, and is not there without one."""
    env = {}
    for name, said in _variables(reading) if reading.has("environment") else ():
        value = reading.source.variables.value(name) if said is None else said
        if value is None:
            reading.leave(f"environment.{name}")
            reading.note(f"{name} has no value in the file and is not set here")
        elif not _VARIABLE.fullmatch(name):
            reading.leave(f"environment.{name}")
        else:
            env[name] = value
    reading.values["env"] = env


def _variables(reading: Reading) -> Iterator[tuple[str, str | None]]:
    table = reading.source.filled(reading.place("environment"))
    if isinstance(table, dict):
        for name, value in table.items():
            try:
                yield name, None if value is None else scalar(value)
            except ValueError:
                reason = f"must be a string, not {fields.told(value)}"
                raise reading.source.unfit(reading.place("environment", name), reason) from None
        return
    for place, item in reading.items("environment"):
        if not isinstance(item, str):
            raise reading.source.unfit(place, f"must be NAME=VALUE, not {fields.told(item)}")
        name, equals, text = item.partition("=")
        yield name, text if equals else None


def _env_files(reading: Reading) -> None:
    """One file is named, and read at each deploy. The values of several are read now, below those of `environment`."""
    found = list(_env_paths(reading)) if reading.has("env_file") else []
    contents = [_content(reading, place, path) for place, path in found]
    if len(found) == 1:
        reading.values["env_file"] = str(found[0][1])
    elif found:
        both = {name: value for content in contents for name, value in content.items()}
        reading.values["env"] = {**both, **fields.pairs(reading.values["env"])}
        reading.note(f"the variables of {len(found)} env files were read now, and are not read at a deploy")


def _env_paths(reading: Reading) -> Iterator[tuple[Place, Path]]:
    written = reading.source.filled(reading.place("env_file"))
    listed = [(reading.place("env_file"), written)] if isinstance(written, str) else reading.items("env_file")
    for place, item in listed:
        name, needed = (item.get("path"), item.get("required", True)) if isinstance(item, dict) else (item, True)
        if not isinstance(name, str):
            raise reading.source.unfit(place, f"must be a path, not {fields.told(name)}")
        path = (reading.source.file.resolve().parent / Path(name)).resolve()
        if needed is False and not path.exists():
            reading.note("an env file that is not required is not there")
        else:
            yield place, path


def _content(reading: Reading, place: Place, path: Path) -> Mapping[str, str]:
    if path.exists() and not path.is_file():
        raise reading.source.unfit(place, f"{path} is not a file")
    try:
        return env_file.read(path)
    except UsageError as error:
        raise reading.source.unfit(place, error.what) from error
