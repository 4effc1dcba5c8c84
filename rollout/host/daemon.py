"""The host part as a process: listens on its socket, looks after its instances, ends in good order."""

import fcntl
import os
import signal
import socketserver
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rollout.errors import LockedError
from rollout.host import protocol
from rollout.host.address import Address
from rollout.host.lock import LOCK

LOOK_S = 0.2
LONGEST_LINE = 16 << 20


class _Asked(socketserver.StreamRequestHandler):
    """One connection: lines are answered until the caller hangs up."""

    server: "_Server"

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(LONGEST_LINE):
                self.wfile.write(protocol.perform(line, self.server.version, self.server.desk))
        except (BrokenPipeError, ConnectionResetError):
            return


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, path: Path, desk: object, version: str) -> None:
        self.desk = desk
        self.version = version
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Asked)
        finally:
            os.umask(before)


class Daemon:
    """Serves `desk` on the socket of `folder`; calls each of `looks` every 0.2 s. One per folder: a second one is a LockedError.

    No look waits for another: following a port must not wait for an instance that is slow to start.
    """

    def __init__(self, folder: Path, desk: object, version: str, *looks: Callable[[], object]) -> None:
        self.address = Address(folder)
        self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise LockedError(f"another host part serves {folder}", then="rollout down, or leave it") from error
        self._server = _Server(self.address.prepare(), desk, version)
        self._looks = looks
        self._ended = threading.Event()

    def start(self) -> None:
        """It answers, in threads of its own."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def run(self) -> None:
        """Serve and look until SIGTERM or SIGINT, or until a look fails: its error is raised then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())
        self.start()
        with ThreadPoolExecutor(len(self._looks)) as pool:
            looking = [pool.submit(self._look, look) for look in self._looks]
            self._ended.wait()
        self.close()
        for one in looking:
            one.result()

    def _look(self, look: Callable[[], object]) -> None:
        try:
            while not self._ended.wait(LOOK_S):
                look()
        finally:
            self._ended.set()

    def close(self) -> None:
        """Nobody is answered any more; the socket is gone, the folder free for another."""
        self._server.shutdown()
        self._server.server_close()
        self.address.remove()
        os.close(self._lock)
