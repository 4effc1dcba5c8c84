"""Logins to registries from the usual files, read when they are needed and kept nowhere."""

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.errors import BrokenError
from rollout.runtimes.engines.sockets import which

HELPER_S = 30.0
HUB, HUB_KEY = "docker.io", "https://index.docker.io/v1/"
TOKEN = "<token>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a registry wants to know. `token`: an identity token in the place of name and password."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no output may show."""
        return tuple(filter(None, (self.password, self.token, _encoded(self.user, self.password))))

    def header(self, registry: str) -> str:
        """The value of X-Registry-Auth."""
        told = {"serveraddress": registry}
        told |= {"identitytoken": self.token} if self.token else {"username": self.user, "password": self.password}
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def login(place: str, env: Mapping[str, str]) -> Login | None:
    """The login for a name in a registry (`registry.example:5000/shop/web`); None where no file has one.

    BrokenError where a helper that a file names does not give it.
    """
    for path in files(env):
        if (told := _read(path)) is not None and (found := _of(told, place, env)) is not None:
            return found
    return None


def files(env: Mapping[str, str]) -> list[Path]:
    """Where logins stand, in the order in which they are asked; what REGISTRY_AUTH_FILE names is asked alone."""
    if named := env.get("REGISTRY_AUTH_FILE"):
        return [Path(named)]
    home = Path(env.get("HOME") or os.path.expanduser("~"))
    runtime = env.get("XDG_RUNTIME_DIR")
    return [
        Path(runtime) / "containers/auth.json" if runtime else Path(f"/run/containers/{os.getuid()}/auth.json"),
        Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json",
        Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
    ]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise BrokenError(f"{path} cannot be read: {error}", then="repair it, or log in again") from error
    return told if isinstance(told, dict) else None


def _of(told: Mapping[str, Any], place: str, env: Mapping[str, str]) -> Login | None:
    registry = place.partition("/")[0]
    keys = list(_keys(place))
    helpers = told.get("credHelpers") or {}
    helper = next((str(helpers[key]) for key in keys if key in helpers), "")
    if helper:
        return _asked(helper, registry, env)
    entries: Mapping[str, Mapping[str, str]] = {_plain(key): entry for key, entry in (told.get("auths") or {}).items()}
    found = next((entry for key in keys if (entry := entries.get(_plain(key))) and _filled(entry)), None)
    if found is not None:
        return _entry(found)
    store = str(told.get("credsStore") or "")
    return _asked(store, registry, env) if store else None


def _keys(place: str) -> Iterator[str]:
    """Under which names a login for this place may stand, the narrowest first."""
    parts = place.split("/")
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    if parts[0] == HUB:
        yield HUB_KEY


def _plain(key: str) -> str:
    """`https://registry.example/v1/` and `registry.example` are the same."""
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _filled(entry: Mapping[str, str]) -> bool:
    return any(entry.get(key) for key in ("auth", "identitytoken", "username"))


def _entry(entry: Mapping[str, str]) -> Login:
    try:
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise BrokenError("a login in the file of logins is damaged", then="log in again: skopeo login REGISTRY") from None
    return Login(
        user=entry.get("username") or user,
        password=entry.get("password") or password.rstrip("\0"),
        token=entry.get("identitytoken", ""),
    )


def _asked(helper: str, registry: str, env: Mapping[str, str]) -> Login | None:
    """What a credential helper says; None where it knows none."""
    name = f"docker-credential-{helper}"
    program = which(name, env) if helper.replace("-", "").replace("_", "").isalnum() else None
    if program is None:
        raise BrokenError(f"{name}, which a file of logins names, is not on this host", then=f"install {name}")
    asked = HUB_KEY if registry == HUB else registry
    try:
        done = subprocess.run(
            [program, "get"], input=asked, capture_output=True, text=True, timeout=HELPER_S, check=False, env=dict(env)
        )
        told = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BrokenError(f"{name} does not give a login for {registry}", then="log in again") from error
    if told is None:
        return None
    user, secret = str(told.get("Username", "")), str(told.get("Secret", ""))
    return Login(token=secret) if user == TOKEN else Login(user=user, password=secret)


def _encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode() if password else ""
