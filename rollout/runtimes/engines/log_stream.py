"""What a container goes on writing, as its engine sends it, read by a thread of its own."""

import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx

from rollout.errors import RolloutError
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.frames import Frames, lines

WANTED = {"stdout": "true", "stderr": "true", "timestamps": "true"}
AGAIN_S = 0.3
"""Between two looks at a container that has ended: it may be started again."""
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


class LogStream:
    """The log of the container `name`, from now on or (`from_end` False) from its beginning, through all its restarts."""

    def __init__(self, api: ContainerApi, name: str, *, from_end: bool, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._path = f"/containers/{name}/logs"
        self._from_end = from_end
        self._clock = clock
        self._second = 0
        self._told: list[str] = []
        """The lines of the last second that were told, and that second: where to go on is known no better than that."""
        self._lines: deque[str] = deque()
        self._reader: threading.Thread | None = None
        self._next = 0.0
        self._closed = False

    def new_lines(self) -> Sequence[str]:
        """Whole lines since the last call; at the first there are none yet. Where its engine is away there are none."""
        if not self.reading and not self._closed and self._clock() >= self._next:
            self._next = self._clock() + AGAIN_S
            self._reader = threading.Thread(target=self._read, name="log", daemon=True)
            self._reader.start()
        return [self._lines.popleft() for _ in range(len(self._lines))]

    @property
    def reading(self) -> bool:
        """Its engine is asked, and has not ended what it sends."""
        return self._reader is not None and self._reader.is_alive()

    def close(self) -> None:
        """Nothing more is read once the engine has sent what it sends next, or has ended."""
        self._closed = True
        self._api.close()

    def _read(self) -> None:
        """Until the container ends, or its engine."""
        with contextlib.suppress(OSError, RuntimeError, httpx.HTTPError, RolloutError):
            if self._from_end:
                self._pass_over()
            known = deque(self._told)
            frames = Frames()
            for chunk in self._api.stream(self._path, {**WANTED, "follow": "true", **self._since()}):
                for second, text in map(self._parted, frames.lines(chunk)):
                    if known and second == self._second and known.popleft() == text:
                        continue
                    known.clear()
                    self._tell(second, text)
                    self._lines.append(text)

    def _pass_over(self) -> None:
        """What was written before now, of the second that goes on, is told already."""
        self._second = int(self._clock())
        answer = self._api.ask("GET", self._path, params={**WANTED, "follow": "false", **self._since()})
        for line in [] if answer.unknown else lines(answer.content):
            self._tell(*self._parted(line))
        self._from_end = False

    def _tell(self, second: int, text: str) -> None:
        if second != self._second:
            self._second, self._told = second, []
        self._told.append(text)

    def _since(self) -> dict[str, str]:
        return {"since": str(self._second)} if self._second else {}

    def _parted(self, line: str) -> tuple[int, str]:
        stamp, _, text = line.partition(" ")
        return _second(stamp) or self._second, text


def _second(stamp: str) -> int:
    """In seconds of the clock that `time.time` reads; 0 where it is none."""
    found = _STAMP.fullmatch(stamp)
    return int(datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).timestamp()) if found else 0
