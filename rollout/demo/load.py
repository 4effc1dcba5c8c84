"""The built-in load client: real requests through the edge, on kept-alive connections, each with an id of its own."""

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rollout.demo.accounting import Shot

BUSY_S, QUIET_S = 0.018, 0.3
"""The pause between two requests to a service that moves now, and to another one (seconds), give or take a fifth."""
TIME_LIMIT_S = 5.0
POSTS = 0.25
OK = 200
CALLS = b'"calls": '
Call = dict[str, Any]
"""A call of a service to its neighbour, in that service's own words: id, began, ended, status, error."""


class Load:
    """Clients for each service, GET and POST, from `start` until `stop`: about 30 requests a second each where it is busy.

    Each sends one request at a time: what a service with one client fails is in a row, as the edge's breaker counts. `clients`:
    how many by service. The same `seed` means the same pauses and methods, client by client.
    """

    def __init__(self, address: str, host_names: Mapping[str, str], clients: Mapping[str, int], seed: int) -> None:
        self._address = address
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._shots: list[Shot] = []
        self._calls: list[Call] = []
        self._busy: frozenset[str] = frozenset()
        for service, host_name in host_names.items():
            for number in range(clients[service]):
                chance = random.Random(f"{seed} {service} {number}")
                ask = (service, host_name, chance)
                self._threads.append(threading.Thread(target=self._send, args=ask, name=f"load {service}", daemon=True))

    def busy(self, services: Collection[str]) -> None:
        """These services are called more often from now on, all others less."""
        self._busy = frozenset(services)

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

    def calls(self) -> Sequence[Call]:
        """What services told of their own calls to a neighbour."""
        return tuple(self._calls)

    def _hear(self, answer: bytes) -> None:
        if CALLS in answer:
            self._calls += json.loads(answer)["calls"]

    def _send(self, service: str, host_name: str, chance: random.Random) -> None:
        """One client: one connection, one request after the other."""
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=TIME_LIMIT_S)
        while not self._stopped.wait(chance.uniform(0.8, 1.2) * (BUSY_S if service in self._busy else QUIET_S)):
            post = chance.random() < POSTS
            self._shots.append(one_request(connection, service, host_name, post=post, hear=self._hear))
        connection.close()


def one_request(
    connection: http.client.HTTPConnection,
    service: str,
    host_name: str,
    *,
    post: bool = False,
    hear: Callable[[bytes], None] = lambda _: None,
) -> Shot:
    """Send one request and read its answer whole; an answer that does not come is status 0, never an exception.

    `hear` is told what a good answer says.
    """
    identity, began, status, error = str(uuid.uuid4()), time.time(), 0, ""
    try:
        body = b'{"n": 1}' if post else None
        connection.request("POST" if post else "GET", "/", body, {"host": host_name, "x-request-id": identity})
        answer = connection.getresponse()
        said = answer.read()
        status = answer.status
        if status == OK:
            hear(said)
    except (OSError, http.client.HTTPException) as problem:
        error = repr(problem)
        connection.close()
    return Shot(service, identity, began, time.time(), status, error)
