"""The life of one kept process: start, restart as its policy says, stop with its whole group."""

import ctypes
import errno
import os
import select
import signal
import sys
import time

from rollout.host.shim.guard import Guard
from rollout.host.shim.log import CHUNK, Log
from rollout.host.shim.processes import below, group_lives, group_of, send
from rollout.host.shim.spec import Spec

BACKOFF_S, BACKOFF_MAX_S, STEADY_S = 0.1, 10.0, 60.0
LOOK_S, AGAIN_S = 0.02, 1.0
STATE_BYTES = 256
SUBREAPER = 36
NEVER = float("inf")


class Shim:
    """The life of one kept process: start, restart as its policy says, stop with its whole group."""

    def __init__(self, folder: str, lock: int) -> None:
        self.folder = folder
        with open(f"{folder}/spec", "rb") as file:
            self.spec = Spec(file.read())
        self.log = Log(f"{folder}/log", self.spec.log_bytes)
        self.guard = Guard(lock)
        self.mark = f"ROLLOUT_KEPT={folder}"
        self.phase = "starting"
        self.leader = self.group = self.restarts = self.tries = 0
        self.code: int | None = None
        self.began = 0.0
        self.stopping = self.asked = False
        self.grace_s = self.spec.grace_s
        self.kill_at = self.start_at = NEVER

    def prepare(self) -> None:
        """Signals, the control FIFO and the guard are there."""
        os.chdir("/")
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
        self.woken, waker = os.pipe()
        for end in (self.woken, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        path = f"{self.folder}/control"
        if not os.path.exists(path):
            os.mkfifo(path, 0o600)
        self.control = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.held_open = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        self.guard.start(0)

    def _ask_to_stop(self, *_: object) -> None:
        self.asked = True

    def start(self) -> None:
        """The process runs, in a session of its own; OSError when it cannot be run."""
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become(tell)
        os.close(tell)
        with os.fdopen(told, "rb") as file:
            problem = file.read()
        self.start_at, self.began = NEVER, time.monotonic()
        if problem:
            os.waitpid(pid, 0)
            self.guard.tell(0)
            number, _, path = problem.partition(b" ")
            raise OSError(int(number), os.strerror(int(number)), os.fsdecode(path))
        self.leader = self.group = pid
        self.say("running")

    def _become(self, tell: int) -> None:
        """In the child: tell the guard first, so that there is no moment at which nobody would end it."""
        place = self.spec.argv[0]
        try:
            os.setsid()
            self.guard.tell(os.getpid())
            signal.set_wakeup_fd(-1)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                if signal.getsignal(number) is not None:
                    signal.signal(number, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (self.log.writer, 1), (self.log.writer, 2)):
                os.dup2(source, target)
            place = self.spec.directory
            os.chdir(place)
            place = self.spec.argv[0]
            os.execvpe(place, self.spec.argv, self.spec.env)
        except OSError as error:
            os.write(tell, b"%d " % (error.errno or errno.EIO) + os.fsencode(place))
        finally:
            os._exit(127)

    def stop(self, grace_s: float) -> None:
        """It ends: TERM now, KILL after the grace. A second call can only make the grace shorter."""
        limit = time.monotonic() + grace_s
        if self.stopping:
            self.kill_at = min(self.kill_at, limit)
            return
        self.stopping, self.grace_s = True, grace_s
        self.say("stopping")
        self.kill_at = limit
        self._signal_all(self.spec.stop_signal)

    def _signal_all(self, number: int) -> None:
        """Sent to the group, and to what has left the group."""
        strays = self._strays()
        if self.group:
            send(-self.group, number)
        for pid in strays:
            send(pid, number)

    def _strays(self) -> list[int]:
        return [pid for pid in below(os.getpid(), self.guard.pid, self.mark) if group_of(pid) != self.group]

    def _anything_left(self) -> bool:
        return group_lives(self.group) or bool(self._strays())

    def run(self) -> None:
        """Return when the process has ended for good and the state says how."""
        poll = select.poll()
        for descriptor in (self.log.reader, self.control, self.woken):
            poll.register(descriptor, select.POLLIN)
        while not self.advance():
            poll.poll(self._patience())
            self.log.drain()
            self._obey()
            self._reap()
        self.guard.dismiss()

    def _patience(self) -> float | None:
        """Milliseconds until something is due; None: until something happens."""
        if self.group and not self.leader:
            return LOOK_S * 1000
        due = min(self.kill_at, self.start_at)
        return None if due == NEVER else max(1.0, (due - time.monotonic()) * 1000)

    def _obey(self) -> None:
        if self.asked:
            self.asked = False
            self.stop(self.spec.grace_s)
        for descriptor in (self.woken, self.control):
            try:
                said = os.read(descriptor, CHUNK)
            except BlockingIOError:
                continue
            if descriptor == self.control:
                for line in said.decode().splitlines():
                    verb, _, value = line.partition(" ")
                    if verb == "stop":
                        self.stop(float(value))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.leader:
                self.leader, self.code = 0, os.waitstatus_to_exitcode(status)
                if not self.stopping:
                    self.say("ending")
                    self.kill_at = time.monotonic() + self.spec.grace_s
                self._signal_all(signal.SIGTERM)
            elif pid == self.guard.pid:
                self.guard.start(self.group)
                self.say(self.phase)

    def advance(self) -> bool:
        """The next step, if it is due; True when there will be none any more."""
        now = time.monotonic()
        if now >= self.kill_at:
            self._signal_all(signal.SIGKILL)
            self.kill_at = now + AGAIN_S
        if self.leader:
            return False
        if self.group:
            if self._anything_left():
                return False
            self.log.drain()  # before the state says that it has ended: whoever reads that reads its last words too
            self.group, self.kill_at = 0, NEVER
            self.guard.tell(0)
            return self._decide(now)
        if self.stopping:
            self.say("gone")
            return True
        if now >= self.start_at:
            return self._start_again()
        return False

    def _decide(self, now: float) -> bool:
        """Nothing of it is left: stopped, again, or ended for good."""
        code = self.code or 0
        if now - self.began >= STEADY_S:
            self.tries = 0
        if self.stopping:
            self.say("gone")
        elif self.spec.wants_again(code, self.tries):
            self.start_at = now + min(BACKOFF_S * 2 ** min(self.tries, 16), BACKOFF_MAX_S)
            self.tries += 1
            self.restarts += 1
            self.say("starting")
            return False
        else:
            self.say("exited" if code == 0 or self.spec.restart == "never" else "failed")
        return True

    def _start_again(self) -> bool:
        try:
            self.start()
        except OSError as error:
            os.write(self.log.writer, f"rollout: cannot run {error.filename}: {error.strerror}\n".encode())
            self.log.drain()
            self.say("failed")
            return True
        return False

    def say(self, phase: str) -> None:
        """The state on disk is this. On a full disk the old file is overwritten, which needs no room."""
        self.phase = phase
        code = "null" if self.code is None else self.code
        numbers = f'"shim": {os.getpid()}, "guard": {self.guard.pid}, "pid": {self.leader}, "restarts": {self.restarts}'
        text = f'{{"phase": "{phase}", {numbers}, "exit_code": {code}, "since": {time.time():.3f}}}'
        content = text.ljust(STATE_BYTES).encode()
        path = f"{self.folder}/state"
        try:
            self._write(f"{path}.new", content, os.O_CREAT | os.O_TRUNC)
            os.rename(f"{path}.new", path)
        except OSError:
            self._write(path, content, 0)

    @staticmethod
    def _write(path: str, content: bytes, flags: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | flags, 0o600)
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        finally:
            os.close(descriptor)
