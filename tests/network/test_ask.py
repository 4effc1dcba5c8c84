"""Asking real sockets: what is good, and what is said of the rest."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rollout.network.ask import Asker, Question


@contextmanager
def answering(reply: bytes | None) -> Iterator[str]:
    """A server that says this to every connection, or nothing at all; what it was asked is ignored."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    near, _ = server.accept()
                except OSError:
                    return
                held.append(near)
                if reply is not None:
                    near.recv(65536)
                    near.sendall(reply)
                    near.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for near in held:
        near.close()


MOST = 400


@contextmanager
def trickling(head: bytes) -> Iterator[tuple[str, list[int]]]:
    """A server that says this at once, and then a byte every 50 ms for 20 s, or until nobody listens."""
    sent: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            near, _ = server.accept()
            with near, contextlib.suppress(OSError):
                near.recv(65536)
                near.sendall(head)
                while len(sent) < MOST:
                    near.sendall(b"x")
                    sent.append(1)
                    time.sleep(0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", sent
        thread.join(30)


def http(status: str, body: str = "", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}".encode()


@pytest.fixture
def asker() -> Iterator[Asker]:
    asker = Asker()
    yield asker
    asker.close()


@pytest.mark.parametrize(
    ("reply", "question", "good", "said"),
    [
        (http("200 OK"), Question(path="/health"), True, "200"),
        (http("204 No Content"), Question(path="health"), True, "204"),
        (http("503 Busy"), Question(path="/"), False, "503"),
        (http("404 No"), Question(path="/"), False, "404"),
        (http("404 No"), Question(path="/", status_max=499), True, "404"),
        (http("302 Found", more="Location: http://127.0.0.1:1/\r\n"), Question(path="/"), True, "302"),
        (http("302 Found", more="Location: http://127.0.0.1:1/\r\n"), Question(path="/", status_max=299), False, "302"),
        (http("200 OK", "all is well"), Question(path="/", body_contains="well"), True, "200"),
        (http("200 OK", "no"), Question(path="/", body_contains="well"), False, "200, but the body does not contain 'well'"),
        (None, Question(path="/", timeout_s=0.2), False, "no answer within 0.2 s"),
        (None, Question(), True, "connected"),
    ],
)
def test_answers(asker: Asker, reply: bytes | None, question: Question, good: bool, said: str) -> None:
    with answering(reply) as address:
        answer = asker.ask(address, question)
    assert (answer.good, answer.said) == (good, said)


@pytest.mark.parametrize("question", [Question(path="/"), Question()])
def test_nobody_there(asker: Asker, question: Question) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        answer = asker.ask(f"127.0.0.1:{probe.getsockname()[1]}", question)
    assert not answer.good
    assert "refused" in answer.said


def test_an_answer_that_is_no_http_is_bad_and_not_an_error(asker: Asker) -> None:
    with answering(b"-ERR unknown command\r\n") as address:
        answer = asker.ask(address, Question(path="/"))
    assert not answer.good
    assert answer.said.startswith("broke off")


@pytest.mark.parametrize("question", [Question(path="/", timeout_s=0.3), Question(path="/", body_contains="well", timeout_s=0.3)])
def test_an_answer_that_trickles_is_late_as_a_whole(asker: Asker, question: Question) -> None:
    with trickling(b"HTTP/1.1 200 OK\r\n\r\n" if question.body_contains else b"") as (address, sent):
        answer = asker.ask(address, question)
        assert (answer.good, answer.said) == (False, "no answer within 0.3 s")
    assert 0 < len(sent) < MOST


def test_a_connection_that_is_broken_off_in_time_is_no_time_out(asker: Asker) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwe") as address:
        answer = asker.ask(address, Question(path="/", body_contains="well"))
    assert answer.said.startswith("broke off")
