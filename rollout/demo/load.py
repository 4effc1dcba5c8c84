"""The built-in load client: real requests through the edge, on kept-alive connections, each with an id of its own."""

import http.client
import threading
import time
import uuid
from collections.abc import Mapping, Sequence

from rollout.demo.accounting import Shot

PACE_S = 0.03
TIME_LIMIT_S = 5.0
POST_EVERY = 4


class Load:
    """A client for each service, about 30 requests a second each, GET and POST, from `start` until `stop`.

    One request of a service at a time: what it fails is in a row, as the edge's breaker counts.
    """

    def __init__(self, address: str, host_names: Mapping[str, str]) -> None:
        self._address = address
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._shots: list[Shot] = []
        for service, host_name in host_names.items():
            thread = threading.Thread(target=self._send, args=(service, host_name), name=f"load {service}", daemon=True)
            self._threads.append(thread)

    def start(self) -> None:
        """From now on requests are sent."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Every request that was sent has its outcome; nothing more is sent. Idempotent."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def shots(self) -> Sequence[Shot]:
        """What was sent until now."""
        return tuple(self._shots)

    def _send(self, service: str, host_name: str) -> None:
        """One client: one connection, one request after the other."""
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=TIME_LIMIT_S)
        number = 0
        while not self._stopped.wait(PACE_S):
            number += 1
            self._shots.append(one_request(connection, service, host_name, post=number % POST_EVERY == 0))
        connection.close()


def one_request(connection: http.client.HTTPConnection, service: str, host_name: str, *, post: bool = False) -> Shot:
    """Send one request and read its answer whole; an answer that does not come is status 0, never an exception."""
    identity, began, status, error = str(uuid.uuid4()), time.time(), 0, ""
    try:
        body = b'{"n": 1}' if post else None
        connection.request("POST" if post else "GET", "/", body, {"host": host_name, "x-request-id": identity})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException) as problem:
        error = repr(problem)
        connection.close()
    return Shot(service, identity, began, time.time(), status, error)
