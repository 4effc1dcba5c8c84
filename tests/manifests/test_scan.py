"""From files to services: one manifest for each oddity, names and clashes, our own fleet files, mapping files."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import UsageError
from rollout.manifests.draft import Given
from rollout.manifests.mapping import MappingFile, read
from rollout.manifests.scan import Scan, scan
from rollout.model.fleet import EngineName, Kind, RestartPolicy, RuntimeName, Service, Tier

GIVEN = Given(customer="acme", tier=Tier.TRIAL)
HERE = Path(__file__).resolve()
REAL = Path(os.environ.get("ROLLOUT_REAL_MANIFESTS", HERE.parents[3] / "shared" / "manifests"))


def write(folder: Path, name: str, content: str | bytes | dict[str, object]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def one(folder: Path, content: str | bytes | dict[str, object], *, name: str = "railway.json", given: Given = GIVEN) -> Scan:
    return scan([write(folder / "app", name, content)], given, MappingFile())


def service(found: Scan) -> Service:
    assert found.problems == ()
    assert len(found.found) == 1
    return found.found[0].service


def problem(found: Scan) -> str:
    assert found.found == ()
    assert len(found.problems) == 1
    told = found.problems[0]
    return f"{told.line}: {told.reason}"


DEPLOY = {
    "startCommand": "node app",
    "healthcheckPath": "/health",
    "healthcheckTimeout": 120,
    "numReplicas": 3,
    "restartPolicyType": "ON_FAILURE",
    "restartPolicyMaxRetries": 7,
    "sleepApplication": True,
    "drainingSeconds": 15,
    "overlapSeconds": 2,
    "preDeployCommand": ["migrate", "seed"],
    "region": "us-west2",
    "useLegacyStacker": False,
    "limitOverride": {"containers": {"cpu": 0.5, "memoryBytes": 3000000000, "diskBytes": 1}, "x": 1},
}


def test_every_key_of_a_manifest_is_taken_kept_or_named(tmp_path: Path) -> None:
    manifest = {"$schema": "https://railway.com/x", "build": {"builder": "NIXPACKS"}, "deploy": DEPLOY, "x": {"y": [1]}, "z": {}}
    found = one(tmp_path, manifest)
    labels = {"railway.sleepApplication": "true", "railway.overlapSeconds": "2", "railway.preDeployCommand": "migrate && seed"}
    assert service(found) == Service(
        name="app",
        environment="production",
        customer="acme",
        tier=Tier.TRIAL,
        command="node app",
        directory=str(tmp_path / "app"),
        health_path="/health",
        health_timeout_s=120.0,
        replicas=3,
        restart=RestartPolicy.ON_FAILURE,
        restart_max=7,
        draining_s=15.0,
        region="us-west2",
        labels=labels,
        memory_mb=2861,
        cpus=0.5,
    )
    draft = found.found[0].draft
    assert draft.kept == ("deploy.sleepApplication", "deploy.overlapSeconds", "deploy.preDeployCommand")
    assert draft.left_out == (
        *("build.builder", "deploy.useLegacyStacker", "deploy.limitOverride.containers.diskBytes", "deploy.limitOverride.x"),
        *("x.y", "z"),
    )
    assert draft.runtime is None


def test_toml_says_the_same_as_json(tmp_path: Path) -> None:
    toml = '[deploy]\nstartCommand = "run"\ncronSchedule = "0 * * * *"\nrestartPolicyType = "on-failure"\nruntime = "v2"\n'
    as_json = {"deploy": {"startCommand": "run", "cronSchedule": "0 * * * *", "restartPolicyType": "ON_FAILURE", "runtime": "V2"}}
    first, second = one(tmp_path, toml, name="railway.toml"), one(tmp_path, as_json)
    assert service(first) == service(second)
    assert service(first).kind is Kind.CRON
    assert first.found[0].draft.runtime is second.found[0].draft.runtime is RuntimeName.V2


def test_json_as_people_write_it_is_good(tmp_path: Path) -> None:
    found = one(tmp_path, b'\xef\xbb\xbf{\r\n // mine\r\n "deploy": {"startCommand": "run",},\r\n}')
    assert service(found).command == "run"
    assert service(one(tmp_path, b'\xef\xbb\xbf[deploy]\r\nstartCommand = "run"\r\n', name="railway.toml")).command == "run"


@pytest.mark.parametrize("deploy", [{}, {"startCommand": None}, {"startCommand": " "}, None])
def test_without_a_start_command_it_imports_too(tmp_path: Path, deploy: object) -> None:
    assert service(one(tmp_path, {"build": {}, "deploy": deploy})).command is None


@pytest.mark.parametrize(
    ("said", "runtime"),
    [("V2", RuntimeName.V2), ("v2", RuntimeName.V2), ("Legacy", RuntimeName.LEGACY), ("LEGACY", RuntimeName.LEGACY)],
)
def test_the_runtime_is_read_in_any_letter_case(tmp_path: Path, said: str, runtime: RuntimeName) -> None:
    assert one(tmp_path, {"deploy": {"runtime": said}}).found[0].draft.runtime is runtime
    assert one(tmp_path, {"deploy": {"runtime": "UNSPECIFIED"}}).found[0].draft.runtime is None


def test_regions_are_summed_and_the_first_is_the_service_s(tmp_path: Path) -> None:
    regions = {"eu": {"numReplicas": 2}, "us": {"numReplicas": 3, "odd": 1}, "asia": None, "sa": {}}
    found = one(tmp_path, {"deploy": {"numReplicas": 9, "region": "x", "multiRegionConfig": regions}})
    assert (service(found).replicas, service(found).region) == (6, "eu")
    assert service(found).labels == {"railway.regions": "eu=2,us=3,sa=1"}
    assert found.found[0].draft.left_out == ("deploy.multiRegionConfig.us.odd",)


def test_an_environment_lies_over_the_manifest_and_names_ours(tmp_path: Path) -> None:
    other = {"staging": {"deploy": {"startCommand": "stage", "healthcheckPath": None}}, "qa": {"deploy": {"numReplicas": 2}}}
    manifest = {"deploy": {"startCommand": "run", "healthcheckPath": "/h"}, "environments": other}
    plain = one(tmp_path, manifest)
    staging = one(tmp_path, manifest, given=replace(GIVEN, environment="staging"))
    assert (service(plain).command, service(plain).health_path, service(plain).environment) == ("run", "/h", "production")
    assert (service(staging).command, service(staging).health_path, service(staging).environment) == ("stage", None, "staging")
    assert staging.found[0].draft.left_out == ("environments.qa.deploy.numReplicas",)


def test_a_worker_has_no_health_path_and_a_path_gets_its_slash(tmp_path: Path) -> None:
    manifest: dict[str, object] = {"deploy": {"healthcheckPath": "health"}}
    assert service(one(tmp_path, manifest)).health_path == "/health"
    assert service(one(tmp_path, manifest, given=replace(GIVEN, kind=Kind.WORKER))).health_path is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"deploy": {\n"numReplicas": 1,\n"numReplicas": 1}}', "3: duplicate key 'numReplicas', first on line 2"),
        ('{"deploy": {\n"numReplicas": "2"}}', "2: deploy.numReplicas: must be a whole number, not a string"),
        ('{"deploy": {\n"numReplicas": true}}', "2: deploy.numReplicas: must be a whole number, not true or false"),
        ('{"deploy": {\n"numReplicas": 0}}', "None: app: replicas 0 is not from 1 to 1000"),
        ('{"deploy":\n []}', "1: deploy must be a table, not a list"),
        ('{"deploy": {\n"runtime": "v3"}}', "2: deploy.runtime: 'v3' is none of legacy, v2"),
        ('{"deploy": {\n"restartPolicyType": "so"}}', "2: deploy.restartPolicyType: 'so' is none of always, on_failure, never"),
        ('{"deploy": {\n"multiRegionConfig": 1}}', "2: deploy.multiRegionConfig must be a table, not a number"),
        ('{"environments": {\n"production": 1}}', "2: environments.production must be a table, not a number"),
        ("[]", "1: a manifest must be a table"),
        ("{", "1: expected a key in double quotes or }; the file ends"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert problem(one(tmp_path, text)) == told


def test_which_files_are_manifests(tmp_path: Path) -> None:
    write(tmp_path, "a/Railway.staging.json", "{}")
    write(tmp_path, "b/any.json", {"$schema": "https://railway.app/railway.schema.json"})
    write(tmp_path, "c/any.toml", "[build]\n")
    write(tmp_path, "d/package.json", {"name": "x", "build": "no table"})
    write(tmp_path, "d/tsconfig.json", "{/* good */}")
    write(tmp_path, "d/other.yaml", "{{ no yaml")
    write(tmp_path, "d/README.md", "hello")
    write(tmp_path, ".git/railway.json", "{")
    write(tmp_path, "node_modules/x/railway.json", "{")
    found = scan([tmp_path], GIVEN, MappingFile())
    assert [f.service.name for f in found.found] == ["a", "b", "c"]
    assert [path.name for path in found.passed_over] == ["README.md", "other.yaml", "package.json", "tsconfig.json"]
    assert found.problems == ()


def test_in_a_folder_what_does_not_parse_is_named_and_when_asked_for_also_what_is_not_ours(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken.json", "{")
    foreign = write(tmp_path, "package.json", "{}")
    text = write(tmp_path, "README.md", "")
    assert [p.file for p in scan([tmp_path], GIVEN, MappingFile()).problems] == [broken]
    asked = scan([broken, foreign, text, tmp_path / "none.json"], GIVEN, MappingFile()).problems
    assert [p.file.name for p in asked] == ["README.md", "broken.json", "none.json", "package.json"]
    assert asked[2].reason.startswith("cannot be read")
    assert asked[3].reason.startswith("neither a fleet file")


def test_names_come_from_folders_and_files(tmp_path: Path) -> None:
    write(tmp_path, "My_Shop/railway.toml", "")
    write(tmp_path, "json/001.json", {"deploy": {}})
    write(tmp_path, "json/002.json", "{ broken")
    found = scan([tmp_path, tmp_path / "json" / "001.json"], GIVEN, MappingFile())
    assert sorted(f.service.name for f in found.found) == ["json-001", "my-shop"]
    named = scan([tmp_path / "My_Shop"], replace(GIVEN, name="shop"), MappingFile())
    assert [f.service.name for f in named.found] == ["shop"]


def test_a_clash_names_both_files_and_takes_neither(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a/app/railway.json", "{}"), write(tmp_path, "b/app/railway.toml", "")
    found = scan([tmp_path], GIVEN, MappingFile())
    assert found.found == ()
    assert [p.file for p in found.problems] == [second]
    assert str(first) in found.problems[0].reason


def test_a_name_that_cannot_be_made_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "é/railway.json", "{}")
    found = scan([tmp_path], GIVEN, MappingFile())
    assert problem(found) == "None: name is not known: give --name or a mapping file"


def test_tier_and_customer_must_come_from_somewhere(tmp_path: Path) -> None:
    found = one(tmp_path, {}, given=Given(customer="acme"))
    assert problem(found) == "None: app: tier is not known: give --tier or a mapping file"


MAPPING = {
    "toml": """
[[services]]
file = "*"
customer = "acme"
tier = "hobby"
[[services]]
file = "b/*"
name = "bee"
tier = "Pro"
environment = "test"
kind = "worker"
[[services]]
file = "gone"
""",
    "csv": "file,name,environment,customer,tier,kind\n*,,,acme,hobby,\nb/*,bee,test,,Pro,worker\ngone,,,,,\n",
    "json": """{"services": [
{"file": "*", "customer": "acme", "tier": "hobby"},
{"file": "./b/*", "name": "bee", "tier": "Pro", "environment": "test", "kind": "worker"},
{"file": "gone"}]}""",
}


@pytest.mark.parametrize("suffix", MAPPING)
def test_a_mapping_file_says_who_is_who(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "[odd]"
    write(folder, "a/railway.json", "{}")
    write(folder, "b/railway.json", "{}")
    mapping = read(write(folder, f"map.{suffix}", MAPPING[suffix]))
    found = scan([folder / "a", folder / "b"], Given(tier=Tier.TRIAL, customer="other"), mapping)
    facts = [(s.service.id, s.service.customer, s.service.tier, s.service.kind) for s in found.found]
    assert facts == [("production/a", "acme", Tier.HOBBY, Kind.HTTP), ("test/bee", "acme", Tier.PRO, Kind.WORKER)]
    assert [pattern.rpartition("/")[2] for pattern in found.unused] == ["gone"]


def test_a_mapping_file_may_name_files_in_full(tmp_path: Path) -> None:
    file = write(tmp_path, "repo/a/railway.json", "{}")
    mapping = read(write(tmp_path, "elsewhere/map.csv", f"file,tier\n{file},hobby\n"))
    found = scan([tmp_path / "repo"], Given(customer="acme"), mapping)
    assert (service(found).tier, found.unused) == (Tier.HOBBY, ())


def test_a_mapping_file_may_name_files_behind_a_link(tmp_path: Path) -> None:
    write(tmp_path, "repo/a/railway.json", "{}")
    (tmp_path / "link").symlink_to("repo")
    mapping = read(write(tmp_path, "elsewhere/map.csv", f"file,tier\n{tmp_path / 'link/a/railway.json'},hobby\n"))
    found = scan([tmp_path / "link"], Given(customer="acme"), mapping)
    assert (service(found).tier, found.unused) == (Tier.HOBBY, ())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("map.toml", '[[services]]\nfile = "a"\n[[services]]\nfile = "a"\ntier = "gold"\n', ":3: 'gold' is none of"),
        ("map.toml", '[[services]]\nname = "a"\n', ":1: an entry needs a `file`"),
        ("map.json", '{"services": [{"file": "a", "teir": "pro"}]}', ":1: unknown key 'teir'"),
        ("map.json", "[1]", ": a mapping file needs a list"),
        ("map.csv", "file,teir\n", ":1: unknown column 'teir'"),
        ("map.txt", "", ": a mapping file ends in"),
    ],
)
def test_a_bad_mapping_file_is_one_clear_error(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(write(tmp_path, name, text))
    assert told in str(caught.value)


FULL = Service(
    name="api",
    environment="shop",
    customer="bob",
    tier=Tier.PRO,
    kind=Kind.HTTP,
    command=("run", "it"),
    image="img",
    env={"A": "1", "B": "true"},
    port=8080,
    health_path="/h",
    health_timeout_s=5.0,
    replicas=2,
    volumes=("data:/data",),
    region="eu",
    restart=RestartPolicy.NEVER,
    restart_max=1,
    draining_s=1.5,
    labels={"team": "x"},
    engine=EngineName.DOCKER,
    memory_mb=512,
    cpus=0.5,
    pids_max=200,
    read_only=True,
    stop_signal="SIGINT",
)
FLEETS = {
    "fleet.toml": """
[defaults]
environment = "shop"
customer = "bob"
[[services]]
name = "api"
tier = "PRO"
command = ["run", "it"]
image = "img"
env = {A = 1, B = true}
env_file = "api.env"
port = 8080
health_path = "/h"
health_timeout_s = 5
replicas = 2
volumes = ["data:/data"]
region = "eu"
restart = "never"
restart_max = 1
draining_s = 1.5
labels = {team = "x"}
engine = "docker"
memory_mb = 512
cpus = 0.5
pids_max = 200
read_only = true
stop_signal = "SIGINT"
""",
    "fleet.yaml": """
defaults: {environment: shop, customer: bob}
services:
  - {name: api, tier: pro, command: [run, it], image: img, env: {A: 1, B: true}, env_file: api.env, port: 8080,
     health_path: /h, health_timeout_s: 5, replicas: 2, volumes: ["data:/data"], region: eu, restart: never, restart_max: 1,
     draining_s: 1.5, labels: {team: x}, engine: docker, memory_mb: 512, cpus: .5, pids_max: 200, read_only: true,
     stop_signal: int}
""",
    "fleet.json": """[ // a list alone is good too
{"name": "api", "environment": "shop", "customer": "bob", "tier": "pro", "command": ["run", "it"], "image": "img",
 "env": {"A": "1", "B": true}, "env_file": "api.env", "port": 8080, "health_path": "/h", "health_timeout_s": 5.0, "replicas": 2,
 "volumes": ["data:/data"], "region": "eu", "restart": "never", "restart_max": 1, "draining_s": 1.5, "labels": {"team": "x"},
 "engine": "docker", "cron": null, "memory_mb": 512, "cpus": 0.5, "pids_max": 200, "read_only": true, "stop_signal": 2},]""",
    "fleet.csv": "name,environment,customer,tier,command,image,env.A,env.B,env_file,port,health_path,health_timeout_s,replicas,"
    "volumes,region,restart,restart_max,draining_s,labels.team,engine,"
    "memory_mb,cpus,pids_max,read_only,stop_signal\n"
    "api,shop,bob,pro,run it,img,1,true,api.env,8080,/h,5,2,data:/data,eu,never,1,1.5,x,docker,512,0.5,200,true,SIGINT\n",
}


@pytest.mark.parametrize("name", FLEETS)
def test_our_own_files_say_all_of_a_service(tmp_path: Path, name: str) -> None:
    found = scan([write(tmp_path, name, FLEETS[name]).parent], Given(), MappingFile())
    command = "run it" if name.endswith("csv") else ("run", "it")
    wanted = replace(FULL, command=command, directory=str(tmp_path), env_file=str(tmp_path / "api.env"))
    assert service(found) == wanted
    assert found.found[0].draft.silent == ()


def test_options_hold_where_our_own_file_says_nothing(tmp_path: Path) -> None:
    full = {"name": "b", "tier": "pro", "kind": "tcp", "runtime": "V2"}
    path = write(tmp_path, "some.json", {"services": [{"name": "a"}, full]})
    found = scan([path], replace(GIVEN, kind=Kind.WORKER, environment="test"), MappingFile())
    facts = [(f.service.id, f.service.tier, f.service.kind, f.draft.runtime) for f in found.found]
    assert facts == [("test/a", Tier.TRIAL, Kind.WORKER, None), ("test/b", Tier.PRO, Kind.TCP, RuntimeName.V2)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("fleet.toml", '[[services]]\nname = "a"\nhealthpath = 1\n', "3: service 'a': unknown key 'healthpath'; did you mean"),
        ("fleet.toml", '[[services]]\nname = "a"\nreplicas = 1.5\n', "3: service 'a': replicas must be a whole number"),
        ("fleet.yaml", "services:\n- name: a\n  tier: gold\n", "3: service 'a': tier 'gold' is none of trial, hobby"),
        ("fleet.yaml", "services:\n- name: a\n  name: b\n", '3: found duplicate key "name"'),
        ("fleet.yaml", "services:\n- name: a\n- tier: pro\n", "3: service number 2 has no name"),
        ("fleet.yaml", "services: []\nservice: []\n", "2: unknown key 'service'; did you mean services?"),
        ("fleet.json", '{"format_version": 2,\n"services": []}', "1: format_version must be 1"),
        ("fleet.json", '{"services": {}}', "1: a fleet file needs a list `services`"),
        ("fleet.json", '{"services": [\n1]}', "2: service number 1 must be a table, not a number"),
        ("fleet.json", '{"services": [{"name": "a",\n"env": {"A": ["s3cret"]}}]}', "2: service 'a': env A must be a string"),
        ("fleet.json", '{"services": [\n{"name": "A b"}]}', "2: A b: name 'A b' is not a DNS label: a-z"),
        ("fleet.csv", "name,tier\na,pro\nb,gold\n", "3: service 'b': tier 'gold' is none of trial, hobby"),
        ("fleet.csv", "name,tier\na\n", "2: 1 cells where the header has 2"),
        ("fleet.csv", "name,read_only\na,yes\n", "2: service 'a': read_only must be true or false, not a string"),
        ("fleet.toml", '[[services]]\nname = "a"\nmemory_mb = 5\n', "1: a: memory_mb 5 is not from 6 to 16777216 MiB"),
        ("fleet.toml", '[[services]]\nname = "a"\ncpus = true\n', "3: service 'a': cpus must be a number, not true or false"),
        (
            "fleet.toml",
            '[[services]]\nname = "a"\nstop_signal = "SIGX"\n',
            "3: service 'a': stop_signal 'SIGX' is no signal",
        ),
        ("fleet.csv", "name,teir\n", "1: unknown column 'teir'; known are"),
        ("fleet.csv", "name,name\n", "1: duplicate column 'name'"),
        ("fleet.csv", "", "1: empty: a table needs a header"),
        ("fleet.csv", 'name,command\na,"x\ny"\nb,"z\n', "4: not CSV: unexpected end of data"),
        ("fleet.csv", "name,replicas\na,two\n", "2: service 'a': replicas must be a whole number, not a string"),
    ],
)
def test_a_typo_in_our_own_file_is_told_with_its_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    found = scan([write(tmp_path, name, text)], GIVEN, MappingFile())
    reasons = [f"{p.line}: {p.reason}" for p in found.problems]
    assert len(reasons) == 1
    assert reasons[0].startswith(told), reasons
    assert "s3cret" not in reasons[0]


def test_two_of_one_name_in_one_file_are_a_clash_with_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "fleet.csv", "name\na\nb\na\n")
    found = scan([path], GIVEN, MappingFile())
    assert [f.service.name for f in found.found] == ["b"]
    assert [(p.line, f"{path}:2" in p.reason) for p in found.problems] == [(4, True)]


def test_all_real_manifests_import_or_are_refused_with_a_true_reason() -> None:
    """Where the folder of real manifests is; a clone alone has none and there is nothing to read."""
    files = sorted([*REAL.glob("json/*.json"), *REAL.glob("toml/*.toml")])
    found = scan(files and [REAL], GIVEN, MappingFile())
    refused = {p.file.relative_to(REAL).as_posix(): (p.line, p.reason.split(",")[0]) for p in found.problems}
    expected = {
        "json/006.json": (12, "duplicate key 'numReplicas'"),
        "toml/019.toml": (30, "duplicate key 'OPENCLAW_PREFER_PNPM'"),
        "toml/066.toml": (30, "duplicate table 'railway'"),
    }
    assert refused == (expected if files else {})
    passed = [path for path in found.passed_over if path in files]
    assert len(found.found) + len(refused) + len(passed) == len(files)
    assert [path.relative_to(REAL).as_posix() for path in passed] == (["toml/075.toml"] if files else [])
    runtimes = [f.draft.runtime for f in found.found if f.draft.runtime]
    assert (runtimes.count(RuntimeName.V2), runtimes.count(RuntimeName.LEGACY)) == ((21, 1) if files else (0, 0))
