"""Logins from the usual files: which file, which entry, which helper; and none in any text."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.runtimes.publishing.auth import Login, files, login

HELPER = """#!/bin/sh
read name
[ "$name" = registry.example:5000 ] || exit 1
echo '{"Username": "<token>", "Secret": "idtoken"}'
"""
PLACE = "registry.example:5000/shop/web"


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, **told: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def user(env: Mapping[str, str], place: str = PLACE) -> str | None:
    found = login(place, env)
    return found.user if found else None


def test_files_are_asked_in_the_order_of_the_engines_own_tools(tmp_path: Path, env: dict[str, str]) -> None:
    assert user(env) is None
    own = [
        tmp_path / "home/.docker/config.json",
        tmp_path / "home/.config/containers/auth.json",
        tmp_path / "run/containers/auth.json",
    ]
    for number, path in enumerate(own):
        write(path, auths={"registry.example:5000": entry(f"ann{number}", "sesame")})
        assert user(env) == f"ann{number}"
    assert files(env) == own[::-1]
    write(tmp_path / "named.json", auths={"registry.example:5000": entry("named", "sesame")})
    assert user({**env, "REGISTRY_AUTH_FILE": str(tmp_path / "named.json")}) == "named"


def test_the_narrowest_entry_is_taken_and_none_of_another_registry(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "run/containers/auth.json"
    keys = ("registry.example", "https://registry.example:5000/v1/", f"{PLACE.rpartition('/')[0]}", PLACE)
    found = {}
    for count in range(1, len(keys) + 1):
        write(path, auths={key: entry(f"ann{number}", "sesame") for number, key in enumerate(keys[:count])})
        found[count] = user(env)
    assert found == {1: None, 2: "ann1", 3: "ann2", 4: "ann3"}


def test_docker_hub_has_a_key_of_its_own(tmp_path: Path, env: dict[str, str]) -> None:
    write(tmp_path / "home/.docker/config.json", auths={"https://index.docker.io/v1/": entry("hub", "sesame")})
    assert user(env, "docker.io/library/web") == "hub"
    assert user(env) is None


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_a_helper_is_asked(tmp_path: Path, env: dict[str, str], key: str) -> None:
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    write(tmp_path / "home/.docker/config.json", **{key: {"registry.example:5000": "vault"} if key == "credHelpers" else "vault"})
    found = login(PLACE, env)
    assert found == Login(token="idtoken")
    assert json.loads(base64.urlsafe_b64decode(found.header("registry.example:5000"))) == {
        "serveraddress": "registry.example:5000",
        "identitytoken": "idtoken",
    }
    assert login("other.example/web", env) is None


@pytest.mark.parametrize("name", ["missing", "../bad", "a b"])
def test_a_helper_that_is_not_there_is_told(tmp_path: Path, env: dict[str, str], name: str) -> None:
    write(tmp_path / "home/.docker/config.json", credHelpers={"registry.example:5000": name})
    with pytest.raises(BrokenError, match="is not on this host"):
        login(PLACE, env)


def test_a_damaged_file_is_told_without_what_is_in_it(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "home/.docker/config.json"
    write(path, auths={"registry.example:5000": {"auth": "planted-secret!"}})
    with pytest.raises(BrokenError) as caught:
        login(PLACE, env)
    assert "planted" not in caught.value.what + caught.value.state + caught.value.then
    path.write_text("{planted")
    with pytest.raises(BrokenError, match="cannot be read") as caught:
        login(PLACE, env)
    assert "planted" not in caught.value.what


def test_what_is_secret_is_in_no_repr() -> None:
    known = Login(user="ann", password="planted-secret")
    assert "planted" not in repr(known)
    assert base64.b64encode(b"ann:planted-secret").decode() in known.secrets
