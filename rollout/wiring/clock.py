"""Real time, for everything that takes time as an argument."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Fulfils `executor.ports.Clock`."""

    def now(self) -> datetime:
        """The present time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once for none or fewer."""
        time.sleep(max(seconds, 0.0))
