"""Instances in the private network are asked from within the room of their environment."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.host.rooms import Room, Rooms
from rollout.network.ask import Asker, Question
from rollout.network.inside import OWN, open_inside
from tests.network.namespaces import inode, namespace

SHARED4 = "100.64.0.9"
PROD, STAGE = "fd00:a:b:1::7", "fd00:a:b:2::7"
PORT = 8080


def serve(path: str, address: str, status: str) -> socket.socket:
    """Says this status to everybody, inside of the namespace, until it is closed."""
    server = open_inside(path, lambda: socket.create_server((address, PORT), family=family(address)))

    def answer() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            with near:
                near.settimeout(10)
                if near.recv(65536):
                    near.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    threading.Thread(target=answer, daemon=True).start()
    return server


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    """Two rooms; in each the same IPv4 address answers another status."""
    rooms = Rooms(tmp_path / "rooms")
    with ExitStack() as stack:
        for environment, address, status in (("prod", PROD, "200 OK"), ("stage", STAGE, "204 None")):
            path = stack.enter_context(namespace(address, SHARED4))
            prefix = address.replace("7", "/64")
            rooms.write(Room(environment=environment, path=path, prefix=prefix, dns=address.replace("7", "53")))
            for one in (address, SHARED4):
                server = serve(path, one, status)
                stack.callback(server.close)
                stack.callback(server.shutdown, socket.SHUT_RDWR)
        yield rooms


@pytest.fixture
def asker(rooms: Rooms) -> Iterator[Asker]:
    asker = Asker(rooms)
    yield asker
    asker.close()


@pytest.mark.parametrize(
    ("address", "environment", "said"),
    [
        (f"[{PROD}]:{PORT}", "prod", "200"),
        (f"[{STAGE}]:{PORT}", "stage", "204"),
        (f"{SHARED4}:{PORT}", "prod", "200"),
        (f"{SHARED4}:{PORT}", "stage", "204"),
    ],
)
def test_it_is_asked_in_its_room_and_the_thread_comes_back(asker: Asker, address: str, environment: str, said: str) -> None:
    before = inode(OWN)
    question = Question(path="/", host_name=f"api.{environment}.internal")
    assert asker.ask(address, question).said == said
    assert asker.ask(address, replace(question, path=None)).said == "connected"
    assert inode(OWN) == before


def test_an_ipv6_address_tells_its_room_by_itself(asker: Asker) -> None:
    assert asker.ask(f"[{STAGE}]:{PORT}", Question(path="/")).said == "204"


def test_nobody_at_the_port_is_an_answer(asker: Asker) -> None:
    answer = asker.ask(f"[{PROD}]:{PORT + 1}", Question(path="/"))
    assert (answer.good, answer.refused) == (False, True)
    before = inode(OWN)
    assert not asker.ask(f"[{PROD}]:{PORT + 1}", Question()).good
    assert inode(OWN) == before


def test_what_is_in_no_room_is_asked_from_here(asker: Asker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        question = Question(host_name="api.prod.internal")
        assert asker.ask(f"127.0.0.1:{server.getsockname()[1]}", question).good
        assert asker.ask(f"localhost:{server.getsockname()[1]}", question).good


def test_a_room_that_is_gone_says_nothing_about_the_instance(asker: Asker, rooms: Rooms) -> None:
    room = rooms.find("prod")
    assert room is not None
    rooms.write(replace(room, path="/run/netns/gone"))
    for path in ("/", None):
        with pytest.raises(BrokenError, match="no network namespace at /run/netns/gone"):
            asker.ask(f"[{PROD}]:{PORT}", Question(path=path))
    rooms.write(room)
    assert asker.ask(f"[{PROD}]:{PORT}", Question(path="/")).good, "the room is made again"


@pytest.mark.parametrize(
    ("host_name", "environment"),
    [("api.prod.internal", "prod"), ("localhost", ""), ("example.org", ""), ("api.prod.example.org", ""), ("internal", "")],
)
def test_the_environment_of_a_question(host_name: str, environment: str) -> None:
    assert Question(host_name=host_name).environment == environment
