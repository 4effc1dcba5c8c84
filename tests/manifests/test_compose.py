"""Compose files: each way to write each key, what is named as not taken over, and what is refused with its line."""

from pathlib import Path

import pytest

from rollout.manifests.compose_health import asked
from rollout.manifests.draft import Given
from rollout.manifests.mapping import MappingFile
from rollout.manifests.mapping import read as read_mapping
from rollout.manifests.scan import Scan, scan
from rollout.model.fleet import Kind, RestartPolicy, Service, Tier

GIVEN = Given(customer="acme", tier=Tier.TRIAL)


def read(folder: Path, text: str, *, name: str = "compose.yaml", given: Given = GIVEN, **environ: str) -> Scan:
    path = folder / "shop" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return scan([path], given, MappingFile(), environ)


def web(folder: Path, *lines: str, given: Given = GIVEN, **environ: str) -> Service:
    found = read(folder, "services:\n  web:\n" + "".join(f"    {line}\n" for line in lines), given=given, **environ)
    assert found.problems == ()
    return found.found[0].service


def left_out(folder: Path, *lines: str) -> set[str]:
    found = read(folder, "services:\n  web:\n" + "".join(f"    {line}\n" for line in lines))
    assert found.problems == ()
    return set(found.found[0].draft.left_out)


def problem(found: Scan) -> str:
    assert found.found == ()
    assert len(found.problems) == 1
    return f"{found.problems[0].line}: {found.problems[0].reason}"


FULL = """
name: Big Shop
services:
  web:
    image: nginx
    entrypoint: /run --with "two words"
    command: [-p, 80]
    environment: {TEXT: a, NUMBER: 1, TRUE_: true, NONE: }
    env_file: web.env
    ports: ["8080:80"]
    volumes: [data:/var/data, ./src:/src:ro]
    healthcheck: {test: [CMD, wget, -q, --spider, "http://127.0.0.1/up?x=1"]}
    deploy: {replicas: "${N:-3}"}
    restart: on-failure:7
"""


def test_each_key_of_ours_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/web.env").write_text("FROM=file\n")
    found = read(tmp_path, FULL)
    assert [one.service for one in found.found] == [
        Service(
            name="web",
            environment="big-shop",
            customer="acme",
            tier=Tier.TRIAL,
            kind=Kind.HTTP,
            image="nginx",
            command=("/run", "--with", "two words", "-p", "80"),
            directory=str(tmp_path / "shop"),
            env={"TEXT": "a", "NUMBER": "1", "TRUE_": "true"},
            env_file=str(tmp_path / "shop/web.env"),
            port=80,
            health_path="/up?x=1",
            replicas=3,
            volumes=("data:/var/data", f"{tmp_path}/shop/src:/src:ro"),
            restart=RestartPolicy.ON_FAILURE,
            restart_max=7,
        )
    ]
    assert found.found[0].draft.left_out == ("services.*.environment.NONE", "services.*.ports.published")


def test_a_variable_without_a_value_has_the_one_of_whoever_imports(tmp_path: Path) -> None:
    lines = ("environment:", "  - A", "  - B=x=y", "  - C=", "  - D", "  - a.b=c")
    assert web(tmp_path, *lines, A="mine").env == {"A": "mine", "B": "x=y", "C": ""}
    assert left_out(tmp_path, *lines) >= {"services.*.environment.D", "services.*.environment.a.b"}


@pytest.mark.parametrize(
    ("ports", "kind", "port"),
    [
        ('["80"]', Kind.HTTP, 80),
        ("[3000]", Kind.HTTP, 3000),
        ('["8080:80"]', Kind.HTTP, 80),
        ('["127.0.0.1:8080:80/tcp"]', Kind.HTTP, 80),
        ('["[::1]:8080:80"]', Kind.HTTP, 80),
        ('["${UNSET}:80"]', Kind.HTTP, 80),
        ("[22:22]", Kind.TCP, 22),
        ('["5433:5432"]', Kind.TCP, 5432),
        ('["53:53/udp", "80"]', Kind.HTTP, 80),
        ('["3000-3001:4000-4001"]', Kind.HTTP, 4000),
        ("[{target: 6379, published: '1', app_protocol: http}]", Kind.HTTP, 6379),
        ("[{target: 9000, app_protocol: fancy}]", Kind.TCP, 9000),
        ("[]", Kind.WORKER, None),
        ('["53:53/udp"]', Kind.WORKER, None),
    ],
)
def test_a_port_says_how_the_service_is_reached(tmp_path: Path, ports: str, kind: Kind, port: int | None) -> None:
    service = web(tmp_path, f"ports: {ports}")
    assert (service.kind, service.port) == (kind, port)


def test_the_port_of_the_health_check_is_the_one_of_several(tmp_path: Path) -> None:
    check = 'healthcheck: {test: "curl -fsS http://localhost:9000/health || exit 1"}'
    service = web(tmp_path, "ports: [8000, 9000]", check)
    assert (service.port, service.health_path) == (9000, "/health")
    service = web(tmp_path, check)
    assert (service.kind, service.port) == (Kind.HTTP, 9000)
    assert web(tmp_path, "ports: [8000]", check).health_path is None
    assert "services.*.healthcheck.test" in left_out(tmp_path, "ports: [8000]", check)
    assert web(tmp_path, "ports: [9000]", check, given=GIVEN.over(Given(kind=Kind.TCP))).health_path is None
    assert web(tmp_path, "expose: [7000]").port == 7000
    assert "services.*.expose" in left_out(tmp_path, "expose: [7000]", "ports: [80]")


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (["CMD", "curl", "-f", "http://localhost"], "/"),
        (["CMD", "/usr/bin/curl", "--fail", "-o", "/dev/null", "http://127.0.0.1/a?b=c&d=e"], "/a?b=c&d=e"),
        (["CMD-SHELL", "wget -qO- http://localhost:80/x || exit 1"], "/x"),
        ("curl -sSf --max-time 5 'http://[::1]:80/y' > /dev/null 2>&1 || exit 1", "/y"),
        (["CMD", "sh", "-c", "wget --no-verbose --tries=1 --spider http://0.0.0.0/z || kill 1"], "/z"),
        ("curl -f localhost/w", "/w"),
        ("curl -f http://localhost/a && curl -f http://localhost/b", None),
        ("curl -f http://localhost/a | grep ok", None),
        ("curl -f http://localhost/$(hostname)", None),
        (["CMD", "curl", "-X", "POST", "http://localhost/"], None),
        (["CMD", "curl", "-H", "Host: x", "http://localhost/"], None),
        (["CMD", "curl", "-f", "https://localhost/"], None),
        (["CMD", "curl", "-f", "http://db/"], None),
        (["CMD", "curl", "-f", "http://localhost:none/"], None),
        (["CMD", "pg_isready"], None),
        (["NONE"], None),
        ("curl 'http://localhost/", None),
        (["CMD", 1], None),
        ([], None),
        (None, None),
    ],
)
def test_only_a_plain_get_of_its_own_server_is_a_health_path(test: object, path: str | None) -> None:
    found = asked(test)
    assert (found.path if found else None) == path


def test_every_other_key_is_named(tmp_path: Path) -> None:
    text = """
version: "3"
x-a: {b: c}
networks: {n: }
services:
  one:
    build: .
    networks: [n]
    profiles: [debug]
    x-more: 1
    deploy: {mode: global, replicas: 2, resources: {limits: {cpus: 1, devices: []}, reservations: {cpus: 1}}}
    healthcheck: {test: [CMD, pg_isready], interval: 1s}
    volumes: [{type: tmpfs, target: /t}, {type: bind, source: /s, target: /u, bind: {}, read_only: true}, /anonymous]
    something_new: 1
  two: {image: x}
"""
    found = read(tmp_path, text, name="docker-compose.yml")
    one, two = (set(one.draft.left_out) for one in found.found)
    keys = ("build", "networks", "profiles", "x-more", "deploy.mode", "healthcheck.test", "something_new")
    more = (
        "healthcheck.interval",
        "volumes.tmpfs",
        "volumes.bind",
        "deploy.resources.reservations",
        "deploy.resources.limits.devices",
    )
    assert one == {"version", "x-a", "networks", *(f"services.*.{key}" for key in (*keys, *more))}
    assert two == set()
    assert found.found[0].service.volumes == ("/s:/u:ro", "/anonymous")
    assert found.found[0].service.environment == "shop"


def test_limits_signal_and_grace_are_taken_over(tmp_path: Path) -> None:
    ways = (
        ("mem_limit: ${M}", "cpus: 0.5", "pids_limit: 200"),
        ("deploy: {resources: {limits: {memory: 512m, cpus: '0.5', pids: 200}}}",),
        ("mem_limit: 536870912", "cpus: '.5'", "deploy: {resources: {limits: {memory: 512M, cpus: 0.50, pids: '200'}}}"),
    )
    for lines in ways:
        found = web(tmp_path, *lines, "read_only: true", "stop_signal: SIGINT", "stop_grace_period: 1m30s", M="512mb")
        assert (found.memory_mb, found.cpus, found.pids_max) == (512, 0.5, 200)
        assert (found.read_only, found.stop_signal, found.draining_s) == (True, "SIGINT", 90.0)
    none = web(tmp_path, "mem_limit: 0", "cpus: 0", "pids_limit: -1", "read_only: false")
    assert (none.memory_mb, none.cpus, none.pids_max, none.read_only, none.stop_signal) == (None, None, None, False, None)


def test_anchors_and_merged_keys_hold_and_their_lines_are_found(tmp_path: Path) -> None:
    text = "x-a: &a\n  image: i\n  ports: [bad]\nservices:\n  web:\n    <<: *a\n  api:\n    <<: *a\n    ports: [80]\n"
    found = read(tmp_path, text)
    assert found.found[0].service.image == "i"
    assert [str(bad).partition("shop/")[2] for bad in found.problems] == [
        "compose.yaml:3: web.ports.0: is not [HOST:]PORT[/PROTOCOL]"
    ]


def test_several_env_files_are_read_at_once_and_their_values_never_told(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/a.env").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "shop/b.env").write_text("B=2\nC=2\n")
    lines = ("environment: {C: 3}", "env_file: [a.env, {path: b.env}, {path: none.env, required: false}]")
    service = web(tmp_path, *lines)
    assert (service.env, service.env_file) == ({"A": "1", "B": "2", "C": "3"}, None)
    (tmp_path / "shop/b.env").write_text("my secret\n")
    found = read(tmp_path, "services:\n  web:\n    env_file:\n      - a.env\n      - b.env\n")
    assert problem(found) == f"5: web.env_file.1: env file {tmp_path}/shop/b.env:1: expected NAME=value"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services:\n  web: 1\n", "2: web: must be a table, not a number"),
        ("services: {}\n", "1: services: must be a table of services, not empty"),
        ("services: [web]\n", "1: services: must be a table of services, not a list"),
        ("networks: {}\n", "None: a Compose file needs a table `services`"),
        ("servces: {}\n", "None: unknown key 'servces'; did you mean services?"),
        ("include: [a.yaml]\n", "1: it includes others: import what `docker compose config` writes, which has all in one file"),
        ("services:\n  web:\n    image: !reset null\n", "3: web.image: must be a string, not TaggedScalar"),
        ("services:\n  web:\n    ports: 80\n", "3: web.ports: must be a list, not a number"),
        ("services:\n  web:\n    ports: [{}]\n", "3: web.ports.0: must be a whole number, not null"),
        ("services:\n  web:\n    volumes: [a:b]\n", "3: web.volumes.0: needs a target that begins with /"),
        ("services:\n  web:\n    volumes: ['a:/b:c:d']\n", "3: web.volumes.0: is not [SOURCE:]/TARGET[:MODE]"),
        ("services:\n  web:\n    command: 'a \"b'\n", "3: web.command: No closing quotation"),
        ("services:\n  web:\n    deploy: [1]\n", "3: web.deploy: must be a table, not a list"),
        ("services:\n  web:\n    deploy: {replicas: many}\n", "3: web.deploy.replicas: must be a whole number, not a string"),
        ("services:\n  web:\n    environment: [[A]]\n", "3: web.environment.0: must be NAME=VALUE, not a list"),
        ("services: {web: {restart: on-failure:x}}", "1: web.restart: is none of no, always, unless-stopped, on-failure[:TIMES]"),
        ("services:\n  ___:\n    image: x\n", "2: ___: has a name without a letter or digit: give one by a mapping file"),
        ("services: {w: {restart: 'on-failure:²'}}", "1: w.restart: is none of no, always, unless-stopped, on-failure[:TIMES]"),
        ("services: {web: {ports: ['" + "9" * 5000 + "']}}", "1: web.ports.0: is not [HOST:]PORT[/PROTOCOL]"),
        ("services: {web: {env_file: /dev/zero}}", "1: web.env_file: /dev/zero is not a file"),
        ("services: {web: {image: '" + "${A:-" * 5000 + "}" * 5000 + "'}}", "1: web.image: has variables nested too deeply"),
        ("a: b: c", "1: mapping values are not allowed here"),
        ("\tx", "1: found character '\\t' that cannot start any token"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert problem(read(tmp_path, text)) == told


def test_no_value_of_a_variable_stands_in_a_problem(tmp_path: Path) -> None:
    text = 'services:\n  web:\n    ports: ["$A"]\n  api:\n    restart: $A\n  db:\n    volumes: ["$A:$A"]\n'
    found = read(tmp_path, text, A="secret-value")
    assert len(found.problems) == 3
    assert "secret-value" not in " ".join(map(str, found.problems))


def test_of_a_folder_only_what_compose_would_read_itself(tmp_path: Path) -> None:
    passed = ("docker-compose.yml", "docker-compose.prod.yml", "compose.override.yaml")
    for name in ("compose.yaml", "sub/docker-compose.yaml", *passed):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("services: {web: {image: x}}\n")
    found = scan([tmp_path], GIVEN, MappingFile())
    assert [one.draft.file.relative_to(tmp_path).as_posix() for one in found.found] == ["compose.yaml", "sub/docker-compose.yaml"]
    assert {path.name for path in found.passed_over} == set(passed)
    assert "compose.override.yaml beside it is not laid over it" in found.found[0].draft.notes[0]


def test_a_mapping_file_speaks_of_one_service_of_a_file(tmp_path: Path) -> None:
    rows = ("shop/compose.yaml,,live,pro,", "shop/compose.yaml#web,front,,hobby,", "*#db,,,,tcp", "*#no,,,,")
    (tmp_path / "map.csv").write_text("\n".join(("file,name,environment,tier,kind", *rows)))
    (tmp_path / "shop").mkdir()
    path = tmp_path / "shop/compose.yaml"
    path.write_text("services: {web: {image: x}, db: {image: y, ports: [80]}}\n")
    found = scan([path], GIVEN, read_mapping(tmp_path / "map.csv"))
    told = [(one.service.id, one.service.tier, one.service.kind) for one in found.found]
    assert told == [("live/front", Tier.HOBBY, Kind.WORKER), ("live/db", Tier.PRO, Kind.TCP)]
    assert [name.rpartition("/")[2] for name in found.unused] == ["*#no"]
    one = read(tmp_path, "services: {web: {image: x}}\n", given=GIVEN.over(Given(name="only", environment="e")))
    assert one.found[0].service.id == "e/only"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services:\n  web:\n    mem_limit: 12x\n", "3: web.mem_limit: '12x' is no amount of memory such as 512m"),
        ("services:\n  web:\n    mem_limit: 1k\n", "3: web.mem_limit: '1k' is less than 6m"),
        ("services:\n  web:\n    cpus: some\n", "3: web.cpus: 'some' is no number of processors"),
        ("services:\n  web:\n    pids_limit: -2\n", "2: web: pids_max -2 is not from 1"),
        ("services:\n  web:\n    stop_signal: SIGX\n", "3: web.stop_signal: 'SIGX' is no signal"),
        ("services:\n  web:\n    stop_grace_period: 10\n", "3: web.stop_grace_period: must be a string"),
        ("services:\n  web:\n    stop_grace_period: long\n", "3: web.stop_grace_period: is no time such as 10s or 1m30s"),
        ("services:\n  web:\n    read_only: maybe\n", "3: web.read_only: must be true or false"),
        ("services:\n  web:\n    deploy: {resources: {limits: 1}}\n", "3: web.deploy.resources.limits: must be a table"),
        (
            "services:\n  web:\n    cpus: 1\n    deploy: {resources: {limits: {cpus: 2}}}\n",
            "3: web.cpus: is not what deploy.resources.limits.cpus says",
        ),
    ],
)
def test_a_limit_that_does_not_fit_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert problem(read(tmp_path, text)).startswith(told)
