"""What a suite of the edge needs: copies that answer as told, and a real Envoy that is ended by its pid."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Event, Thread
from typing import Self

import httpx

from rollout.edge.envoy import EnvoyEdge
from rollout.edge.settings import EdgeSettings

LIMIT_S = 15.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Returns when the condition holds; fails loudly when it does not within the limit."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s: {what}"
        time.sleep(0.005)


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write per answer, or Nagle's algorithm adds 40 ms to each
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        copy = self.server
        assert isinstance(copy, HttpCopy)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        copy.seen.append((self.command, self.path, dict(self.headers.items()), len(body)))
        copy.let_go.wait(LIMIT_S)
        if copy.status == 0:
            self.close_connection = True
            return
        content = copy.name.encode()
        self.send_response(copy.status)
        self.send_header("Content-Length", str(len(content) + copy.withheld))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = copy.withheld > 0

    do_POST = do_GET
    do_PUT = do_GET

    def log_message(self, format: str, *values: object) -> None:
        """Silent."""


class HttpCopy(ThreadingHTTPServer):
    """A copy at `place` that answers its own name with `status` (0: closes without an answer), while `let_go` is set.

    `withheld`: so many bytes are missing from an answer when it closes. `seen`: method, path, headers, bytes of the body.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, place: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        super().__init__(place, _Answers)
        self.name = name
        self.status = 200
        self.withheld = 0
        self.seen: list[tuple[str, str, dict[str, str], int]] = []
        self.let_go = Event()
        self.let_go.set()
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def end(self) -> None:
        """Waiting requests are let go, the port is closed."""
        self.let_go.set()
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family is socket.AF_INET6 else f"{host!s}:{port}"

    def server_bind(self) -> None:
        """Without the question to DNS for its own name that the class above asks."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no error."""


class RunningEdge:
    """An edge and its Envoy."""

    def __init__(self, folder: Path, settings: EdgeSettings | None = None, log_bytes: int = 1 << 26) -> None:
        self.edge = EnvoyEdge(folder, settings, log_bytes=log_bytes)
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder.with_suffix(".out")

    def __enter__(self) -> Self:
        """It serves; nothing of it is left afterwards, nor when it does not come up."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        self.edge.prepare()
        self.edge.check_port()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(self.edge.kept().argv, stdout=output, stderr=output)
        wait_for(lambda: self.edge.ready() or self._ended(), "Envoy is ready")
        assert not self._ended(), self.output.read_text()

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        self.kill()
        self.edge.close()
        self.edge.forget()

    def client(self, host: str) -> httpx.Client:
        return httpx.Client(base_url=f"http://{self.edge.address()}", headers={"Host": host}, timeout=LIMIT_S)

    @contextmanager
    def background(self, host: str) -> Iterator[Future[httpx.Response]]:
        """One GET in a thread of its own."""
        with self.client(host) as client, ThreadPoolExecutor(1) as pool:
            yield pool.submit(client.get, "/")
