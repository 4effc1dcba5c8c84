"""What a shim is told to run."""

import os


class Spec:
    """What to run: `key=value` fields, each ended by a NUL, which no argument and no variable can contain."""

    def __init__(self, content: bytes) -> None:
        fields: dict[str, list[str]] = {}
        for part in content.split(b"\0"):
            key, _, value = os.fsdecode(part).partition("=")
            fields.setdefault(key, []).append(value)
        self.argv = fields["argv"]
        self.env = dict(pair.split("=", 1) for pair in fields.get("env", []))
        self.directory = fields.get("directory", ["/"])[0]
        self.restart = fields.get("restart", ["never"])[0]
        self.restart_max = int(fields.get("restart_max", ["0"])[0])
        self.grace_s = float(fields.get("grace_s", ["10"])[0])
        self.stop_signal = int(fields.get("stop_signal", ["15"])[0])
        self.log_bytes = int(fields.get("log_bytes", ["1000000"])[0])

    def wants_again(self, code: int, tries: int) -> bool:
        """A process that ended with this code is started again; `tries` is how often it was without getting steady."""
        if self.restart == "always":
            return True
        return self.restart == "on_failure" and code != 0 and tries < self.restart_max
