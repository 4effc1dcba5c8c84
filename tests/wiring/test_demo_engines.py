"""A demo in containers begins where its engines answer, also late; else it says what would help."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.operations.doctor import Standing
from rollout.wiring import demo_engines, machine_engines

LATE_S = 0.6


class Busy(BaseHTTPRequestHandler):
    """Podman's `/version`, on a busy machine."""

    def do_GET(self) -> None:
        time.sleep(LATE_S)
        told = json.dumps({"Version": "4.3.1", "ApiVersion": "1.41"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    socket = tmp_path / "s"
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{socket}")
    with socketserver.ThreadingUnixStreamServer(str(socket), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("busy")
def test_an_engine_that_answers_late_is_waited_for() -> None:
    demo_engines.check(EngineName.PODMAN)


@pytest.mark.usefixtures("busy")
def test_one_that_is_not_waited_for_so_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_engines, "ANSWERS_S", LATE_S / 10)
    with pytest.raises(BrokenError, match="does not answer"):
        demo_engines.check(EngineName.PODMAN)


@pytest.mark.usefixtures("busy")
def test_doctor_waits_as_long_as_it_is_told_to() -> None:
    short, enough = ({one.name: one.standing for one in machine_engines.engines(s)}["podman"] for s in (LATE_S / 10, 20.0))
    assert (short, enough) == (Standing.MISSING, Standing.GOOD)
