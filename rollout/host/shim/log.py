"""What the kept process writes."""

import os

CHUNK = 1 << 16


class Log:
    """What the process writes, in two files of bounded size. A full disk loses lines, and never stops the process."""

    def __init__(self, path: str, limit: int) -> None:
        self.path, self.limit = path, limit
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self.file).st_size

    def drain(self) -> None:
        """Everything that was written by now is in the file."""
        while True:
            try:
                chunk = os.read(self.reader, CHUNK)
            except BlockingIOError:
                return
            try:
                self._append(chunk)
            except OSError:
                continue

    def _append(self, chunk: bytes) -> None:
        if self.size and self.size + len(chunk) > self.limit:
            os.rename(self.path, self.path + ".1")
            fresh = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.close(self.file)
            self.file, self.size = fresh, 0
        self.size += os.write(self.file, chunk)
