"""Names inside of rooms: one process answers in all of them, by sockets that were opened there."""

import contextlib
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

from dnslib import DNSError, DNSRecord

from rollout.errors import BrokenError
from rollout.host.rooms import Room, Rooms
from rollout.network import answers, dns_neighbours, outside
from rollout.network.inside import open_inside

LOOK_S = 0.25
"""So often the rooms are looked at."""
IPV6_FREEBIND = 78
PORT = 53
UDP_MOST = 512
AT_ONCE = 32
"""So many connections and questions about the outside are worked on for one room: it cannot hold up the others."""
IN_A_ROW = 64
"""So many packets of one room are answered before the next one's turn."""
PATIENCE_S = 5.0
"""A connection that asks nothing for so long is closed."""
BAD_PACKET = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, DNSError)

Client = tuple[str, int, int, int]


class RoomNames:
    """Answers in every room from its making to `close`; a room that is made or made again is found within half a second.

    A room that cannot be entered is told of once, on stderr, and tried again.
    """

    def __init__(self, folder: str, rooms: Rooms, resolvers: outside.Resolvers = outside.of_the_host) -> None:
        self._folder = folder
        self._rooms = rooms
        self._resolvers = resolvers
        self._selector = selectors.DefaultSelector()
        self._served: dict[str, _Served] = {}
        self._told: set[str] = set()
        self._looked = -LOOK_S
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def well(self) -> bool:
        """False once something unforeseen has ended it."""
        return self._thread.is_alive()

    def close(self) -> None:
        """No room is answered in, and none lives on because of us."""
        self._ended.set()
        self._thread.join()
        for served in self._served.values():
            self._leave(served)
        self._served.clear()
        self._selector.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            if time.monotonic() - self._looked >= LOOK_S:
                self._follow()
                self._looked = time.monotonic()
            for key, _ in self._selector.select(LOOK_S):
                with contextlib.suppress(OSError, *BAD_PACKET):  # a client that went away, or asks what cannot be said
                    key.data()

    def _follow(self) -> None:
        try:
            wanted = {room.environment: room for room in self._rooms.all()}
        except (OSError, ValueError) as error:
            self._tell(f"cannot read the rooms in {self._rooms.folder}: {error}")
            return
        for environment, served in list(self._served.items()):
            if served.is_at(wanted.get(environment)):
                served.room = wanted[environment]
            else:
                self._leave(self._served.pop(environment))
        for environment in wanted.keys() - self._served.keys():
            self._enter(wanted[environment])

    def _enter(self, room: Room) -> None:
        try:
            served = _Served(room, self._folder, self._resolvers)
        except (BrokenError, OSError) as error:
            self._tell(f"no names in the room of {room.environment}: {error}")
            return
        self._served[room.environment] = served
        self._selector.register(served.udp, selectors.EVENT_READ, served.questions)
        self._selector.register(served.tcp, selectors.EVENT_READ, served.connection)
        if served.hub is not None:
            self._selector.register(served.hub, selectors.EVENT_READ, served.from_neighbours)

    def _leave(self, served: "_Served") -> None:
        for one in served.sockets:
            self._selector.unregister(one)
            one.close()

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            sys.stderr.write(f"{what}\n")
            sys.stderr.flush()


class _Served:
    """A room in which is answered. OSError and BrokenError where its sockets cannot be opened."""

    def __init__(self, room: Room, folder: str, resolvers: outside.Resolvers) -> None:
        self.room = room
        self._folder = folder
        self._resolvers = resolvers
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self.sockets: list[socket.socket] = []
        try:
            self.udp = self._open(room.dns, socket.SOCK_DGRAM)
            self.tcp = self._open(room.dns, socket.SOCK_STREAM)
            self.hub = self._open(room.hub, socket.SOCK_DGRAM) if room.hub else None
        except BaseException:
            for one in self.sockets:
                one.close()
            raise

    def _open(self, address: str, kind: socket.SocketKind) -> socket.socket:
        self.sockets.append(made := open_inside(self.room.path, lambda: _bound(address, kind)))
        return made

    def is_at(self, room: Room | None) -> bool:
        """The room is where our sockets are."""
        return room is not None and (room.path, room.dns, room.hub) == (self.room.path, self.room.dns, self.room.hub)

    def questions(self) -> None:
        """The packets that have come are answered, or dropped where they are none of DNS."""
        for packet, client in _packets(self.udp):
            self._one(packet, client)

    def from_neighbours(self) -> None:
        """The same for what the DNS servers of other hosts ask: only what is known here is said."""
        assert self.hub is not None
        for packet, client in _packets(self.hub):
            request = _parsed(packet)
            if request is not None:
                reply = answers.in_a_room(self._folder, request, self.room.environment) or answers.closed(request)
                self.hub.sendto(reply.pack(), client)

    def connection(self) -> None:
        """The client that has come is answered by a thread of its own."""
        near, _ = self.tcp.accept()
        if not self._beside(lambda: self._converse(near)):
            near.close()

    def _one(self, packet: bytes, client: Client) -> None:
        request = _parsed(packet)
        if request is None:
            return
        reply = self._known(request)
        if reply is not None:
            said = reply.pack()
            self.udp.sendto(said if len(said) <= UDP_MOST else reply.truncate().pack(), client)
        else:
            self._beside(lambda: self.udp.sendto(self._foreign(packet, request, tcp=False), client))

    def _converse(self, near: socket.socket) -> None:
        with near:
            near.settimeout(PATIENCE_S)
            while True:
                packet = outside.read_message(near)
                request = _parsed(packet)
                if request is None:
                    return
                reply = self._known(request)
                near.sendall(outside.framed(self._foreign(packet, request, tcp=True) if reply is None else reply.pack()))

    def _known(self, request: DNSRecord) -> DNSRecord | None:
        """The answer that is known here; None where the outside, or another host, has to be asked."""
        reply = answers.in_a_room(self._folder, request, self.room.environment)
        if reply is None:
            return None if self.room.egress else answers.closed(request)
        return None if self.room.neighbours and self._may_be_elsewhere(reply, request) else reply

    def _may_be_elsewhere(self, reply: DNSRecord, request: DNSRecord) -> bool:
        return answers.may_be_elsewhere(reply, request, self.room.environment)

    def _foreign(self, packet: bytes, request: DNSRecord, *, tcp: bool) -> bytes:
        reply = answers.in_a_room(self._folder, request, self.room.environment)
        if reply is None:
            return outside.ask(packet, self._resolvers, tcp=tcp) or bytes(answers.failed(request).pack())
        if not self._may_be_elsewhere(reply, request):  # it has come here meanwhile
            return bytes(reply.pack())
        try:
            return dns_neighbours.ask(self.room, packet) or bytes(reply.pack())
        except (dns_neighbours.SilentError, BrokenError):
            return bytes(answers.failed(request).pack())

    def _beside(self, work: Callable[[], object]) -> bool:
        """Done by a thread of its own; False where too many are at work already."""
        if not self._free.acquire(blocking=False):
            return False

        def do() -> None:
            try:
                with contextlib.suppress(OSError, *BAD_PACKET):  # as above; or the room is gone
                    work()
            finally:
                self._free.release()

        threading.Thread(target=do, daemon=True).start()
        return True


def _bound(address: str, kind: socket.SocketKind) -> socket.socket:
    """At this very address, or answers would come from another one of the room; it may be given to the room later."""
    server = socket.socket(socket.AF_INET6, kind)
    try:
        server.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)
        server.bind((address, PORT))
        if kind is socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
    except BaseException:
        server.close()
        raise
    return server


def _packets(line: socket.socket) -> Iterator[tuple[bytes, Client]]:
    """Those that have come, until it is another one's turn."""
    for _ in range(IN_A_ROW):
        try:
            yield line.recvfrom(UDP_MOST * 8)
        except BlockingIOError:
            return


def _parsed(packet: bytes) -> DNSRecord | None:
    """A question; None for rubbish, and for an answer that nobody asked for."""
    try:
        request = DNSRecord.parse(packet)
        str(request.q.qname)
    except BAD_PACKET:
        return None
    return None if request.header.qr else request
