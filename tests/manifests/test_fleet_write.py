"""What is written as a fleet file is read back as the same services, whatever stands in their fields."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.manifests.draft import Given
from rollout.manifests.fleet_write import NOTE, Form, entry, pieces
from rollout.manifests.mapping import MappingFile
from rollout.manifests.scan import scan
from rollout.model.fleet import EngineName, Kind, RestartPolicy, Service, Tier
from rollout.model.service_rules import problems

AWKWARD = ["", " ", "\n", "\r\n", "\r", " a ", "a\tb", "[", '["a"]', '"a"', "null", "true", "1", "1.0", "env", "#", ": ", "- a"]
AWKWARD += ["\x7f", "\x85", "\u2028", "\ufeff", "\U0001f600", "ä", "${A}", "a,b;c", "\\u0041", "%", "&a", "*a", "!x", "{}"]
AWKWARD += ["=1+1", "\x01", "'''", '"""']
TEXT = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
SECONDS = st.floats(min_value=0.001, max_value=86400)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True, alphabet=st.characters(codec="ascii"))
PATH = TEXT.map(lambda text: f"/nowhere/{text}").filter(lambda path: str(Path(path).resolve()) == path)


@st.composite
def services(draw: st.DrawFn) -> Service:
    kind = draw(st.sampled_from(Kind))
    words: dict[str, Any] = {
        "command": draw(st.none() | TEXT | st.lists(TEXT, min_size=1, max_size=4).map(tuple)) or None,
        "cron": draw(st.sampled_from(["* * * * *", " 0\t1 2 3 4\n"])) if kind is Kind.CRON else None,
    }
    if kind in {Kind.HTTP, Kind.CRON}:
        words["health_path"] = draw(st.none() | TEXT.map(lambda text: "/" + "".join(text.split())))
    service = Service(
        name=draw(LABEL),
        environment=draw(LABEL),
        customer=draw(TEXT.filter(lambda text: bool(text.strip()))),
        tier=draw(st.sampled_from(Tier)),
        kind=kind,
        image=draw(st.none() | st.sampled_from(("nginx:1", "oci:/srv/a b'\"{}:1", "127.0.0.1:5000/web@sha256:" + "a" * 64))),
        directory=draw(PATH),
        env=draw(st.dictionaries(NAME, TEXT, max_size=4)),
        env_file=draw(st.none() | PATH),
        port=draw(st.none() | st.integers(1, 65535)),
        health_timeout_s=draw(SECONDS),
        replicas=draw(st.integers(1, 1000)),
        volumes=draw(st.lists(TEXT, max_size=3).map(tuple)),
        region=draw(st.none() | TEXT),
        restart=draw(st.sampled_from(RestartPolicy)),
        restart_max=draw(st.integers(0, 1000)),
        draining_s=draw(SECONDS),
        labels=draw(st.dictionaries(TEXT, TEXT, max_size=4)),
        engine=draw(st.none() | st.sampled_from(EngineName)),
        memory_mb=draw(st.none() | st.integers(6, 1 << 24)),
        cpus=draw(st.none() | st.floats(0.01, 4096)),
        pids_max=draw(st.none() | st.integers(1, 1 << 22)),
        read_only=draw(st.booleans()),
        stop_signal=draw(st.none() | st.sampled_from(["SIGINT", "SIGRTMIN+3", "SIGRTMAX-1"])),
        **words,
    )
    assert problems(service) == []
    return service


def read_back(written: list[Service], form: Form, *, secrets: bool = True) -> tuple[list[Service], list[tuple[str, ...]], str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"any.{form}"
        text = "".join(pieces([entry(service, secrets=secrets) for service in written], form, secrets=secrets))
        path.write_bytes(text.encode())
        found = scan([path], Given(environment="else", kind=Kind.WORKER, tier=Tier.PRO, customer="else"), MappingFile())
    assert found.problems == ()
    return [one.service for one in found.found], [one.draft.kept_env for one in found.found], text


@pytest.mark.parametrize("form", Form)
@settings(max_examples=40)
@given(written=st.lists(services(), min_size=1, max_size=3, unique_by=lambda service: service.id))
def test_what_is_exported_is_imported_as_it_was(form: Form, written: list[Service]) -> None:
    assert read_back(written, form)[0] == written


@pytest.mark.parametrize("form", Form)
def test_without_secrets_the_names_alone_are_written(form: Form) -> None:
    plain = Service(name="a", environment="e", customer="c", tier=Tier.PRO, directory="/nowhere")
    secret = Service(name="b", environment="e", customer="c", tier=Tier.PRO, directory="/nowhere", env={"Z": "planted", "A": ""})
    found, kept, text = read_back([plain, secret], form, secrets=False)
    assert "planted" not in text
    assert (found[0], kept) == (plain, [(), ("A", "Z")])
    assert found[1].env == {}
    assert (NOTE in text) == (form in {Form.TOML, Form.YAML})


@pytest.mark.parametrize("form", Form)
def test_an_empty_fleet_is_a_good_file(form: Form) -> None:
    assert read_back([], form)[0] == []


def test_every_field_of_a_service_is_written() -> None:
    said = entry(Service(name="a", environment="e", customer="c", tier=Tier.PRO), secrets=True)
    assert set(said) == {"name", "environment", "customer", "tier", "kind"}


def test_a_table_says_in_plain_cells_what_they_can_say() -> None:
    service = Service(name="a", environment="e", customer="c", tier=Tier.PRO, command="run it", volumes=("v:/v", "w:/w"), port=80)
    other = Service(name="b", environment="e", customer="c", tier=Tier.PRO, command=("run", "it"), env={"A": "1"})
    text = "".join(pieces([entry(service, secrets=True), entry(other, secrets=True)], Form.CSV, secrets=True))
    assert text.splitlines() == [
        "name,environment,customer,tier,kind,command,command:json,env:json,port,volumes",
        "a,e,c,pro,http,run it,,,80,v:/v w:/w",
        'b,e,c,pro,http,,"[""run"", ""it""]","{""A"": ""1""}",,',
    ]
