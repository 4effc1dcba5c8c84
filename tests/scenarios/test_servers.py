"""Real servers as people run them, in one wave under load: on legacy, to v2 (legacy stops), and back (v2 stops)."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from rollout.edge.access_log import AccessLine, parse
from tests.scenarios.driver import until
from tests.scenarios.servers import Answer, Product, RedisLoad, WebLoad, product
from tests.scenarios.transcript import HERE

ENVIRONMENT = "shop"
PYTHON = {
    "gunicorn": "gunicorn --bind 127.0.0.1:$PORT --threads 4 wsgi_app:app",
    "uvicorn": "uvicorn --host 127.0.0.1 --port $PORT asgi_app:app",
    "waitress": "waitress-serve --host 127.0.0.1 --port $PORT wsgi_app:app",
}
NGINX = """
mkdir -p nginx.$PORT
sed "s/PORT/$PORT/; s/RUNTIME/$ROLLOUT_RUNTIME/" nginx.conf.in > nginx.$PORT/nginx.conf
exec nginx -p "$PWD/nginx.$PORT" -e stderr -c nginx.conf
"""
REDIS = 'exec redis-server --bind 127.0.0.1 --port $PORT --dir "$PWD/data" --appendonly yes --save ""'
FILES = {
    "wsgi_app.py": """
import os, time
def app(environ, start):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.environ['ROLLOUT_RUNTIME']} {os.getpid()}\\n".encode()]
""",
    "asgi_app.py": """
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{os.environ['ROLLOUT_RUNTIME']} {os.getpid()}\\n".encode()})
""",
    "nginx.conf.in": f"""
daemon off; pid nginx.pid; worker_processes 2; events {{}}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{
    listen 127.0.0.1:PORT;
    location / {{ return 200 "RUNTIME $pid\\n"; }}
    location /slow {{ limit_rate 1k; return 200 "RUNTIME $pid\\n{" " * 2000}"; }}
  }}
}}
""",
}


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Product]:
    """A home with a short policy, and beside it what the servers serve."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "data").mkdir()
    with product(tmp_path) as made:
        made("policy", "use", str(HERE / "servers.toml"))
        yield made


def add_web(rollout: Product, commands: Mapping[str, str]) -> None:
    for name, command in commands.items():
        words = ("--environment", ENVIRONMENT, "--tier", "trial", "--health-path", "/", "--command", command)
        rollout("service", "add", name, *words)


def runs_on(rollout: Product) -> set[tuple[str, ...]]:
    """Where the services run, all of them."""
    return {tuple(service["runs_on"]) for service in json.loads(rollout("service", "list", "--json"))["services"]}


def edge_saw(rollout: Product, name: str) -> list[AccessLine]:
    """All requests to a service, as the edge wrote them down."""
    lines = map(parse, (rollout.home / "host" / "edge" / "access.log").read_bytes().splitlines())
    return [line for line in lines if line is not None and line.host_name == f"{name}.{ENVIRONMENT}.internal"]


def by(answers: list[Answer], runtime: str) -> set[int]:
    """The processes that answered; all of them were on that runtime."""
    assert {answer.runtime for answer in answers} == {runtime}
    return {answer.pid for answer in answers}


def to_v2_and_back(rollout: Product, loads: Mapping[str, WebLoad]) -> None:
    """The programs themselves say on which runtime they answer, and that they are other processes each time."""
    before = {name: by(load.fresh(), "legacy") for name, load in loads.items()}
    told = rollout("execute", "wave-1", "--yes")
    assert "finished" in told
    moved = {name: by(load.fresh(), "v2") for name, load in loads.items()}
    assert runs_on(rollout) == {("v2",)}
    rollout("revert", "wave-1")
    after = {name: by(load.fresh(), "legacy") for name, load in loads.items()}
    assert runs_on(rollout) == {("legacy",)}
    for name in loads:
        assert before[name].isdisjoint(after[name])
        assert moved[name].isdisjoint(before[name] | after[name])


def nothing_failed(rollout: Product, loads: Mapping[str, WebLoad]) -> None:
    """Neither for the clients nor, by a second try that hid it, at the edge."""
    for name, load in loads.items():
        assert load.bad == [], name
        assert load.good > 100, name
        until(lambda name=name, load=load: len(edge_saw(rollout, name)) >= load.good)
        assert [line for line in edge_saw(rollout, name) if line.failed or line.attempts > 1] == []


@pytest.mark.timeout(300)
def test_web_servers_from_pypi(rollout: Product) -> None:
    add_web(rollout, PYTHON)
    rollout("service", "deploy", "--all")
    edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]
    rollout("plan", "--tier", "trial")
    with ExitStack() as asking:
        loads = {name: asking.enter_context(WebLoad(edge, f"{name}.{ENVIRONMENT}.internal")) for name in PYTHON}
        to_v2_and_back(rollout, loads)
    nothing_failed(rollout, loads)


@pytest.mark.timeout(300)
def test_nginx_overlaps_and_redis_is_away_no_longer_than_planned(rollout: Product) -> None:
    port = free_port()
    add_web(rollout, {"nginx": NGINX})
    words = ("--kind", "tcp", "--port", str(port), "--volume", "data:/data", "--draining", "2", "--health-timeout", "4")
    rollout("service", "add", "redis", "--environment", ENVIRONMENT, "--tier", "trial", *words, "--command", REDIS)
    rollout("service", "deploy", "--all")
    edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]
    rollout("plan", "--tier", "trial")
    planned = {move["service"]: move for move in json.loads(rollout("show", "wave-1", "--json"))["plan"]["waves"][0]["moves"]}
    assert (planned["shop/nginx"]["strategy"], planned["shop/nginx"]["downtime_s"]) == ("overlap", 0)
    assert planned["shop/redis"]["strategy"] == "recreate"
    with WebLoad(edge, f"nginx.{ENVIRONMENT}.internal") as load, RedisLoad(port) as counting:
        to_v2_and_back(rollout, {"nginx": load})
    nothing_failed(rollout, {"nginx": load})
    assert len(counting.gaps) == 2, "one on the way to v2, one on the way back"
    assert max(gap.seconds for gap in counting.gaps) <= planned["shop/redis"]["downtime_s"]
    assert counting.bad == []
    assert_nothing_lost(counting)


def assert_nothing_lost(counting: RedisLoad) -> None:
    """Every number that was told stands: the count goes on where it was, but for answers that were under way at an end."""
    steps = [later - earlier for earlier, later in zip(counting.values, counting.values[1:], strict=False)]
    assert set(steps) <= {1, 2}
    assert steps.count(2) <= len(counting.gaps)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
