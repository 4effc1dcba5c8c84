"""Every port that anything on this host listens on."""

import socket

from rollout.network.detect import ProcessWatch
from rollout.network.sockets import SocketTable


def test_the_kernel_lists_what_is_listened_on_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as four, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        ports = {(0, four.getsockname()[1]), (0, six.getsockname()[1])}
        assert ports <= set(SocketTable().listening())
    assert not ports & set(SocketTable().listening())


def test_psutil_does_not_say() -> None:
    assert ProcessWatch().listening() is None
