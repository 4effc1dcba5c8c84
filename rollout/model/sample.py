"""What the edge saw of a service."""

from dataclasses import dataclass
from datetime import datetime

from rollout.model.fleet import RuntimeName
from rollout.model.snapshot import NO_REQUESTS, Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Requests of one service on one runtime over a stated time. `errors`: status 500 and above, resets, time-outs.

    `retried`: requests that ended well, but only at a second attempt. `shed`: requests that were v2's by weight and that the
    edge gave to legacy, because v2's copies had just failed (they are counted in legacy's `requests`, and here for v2).
    `first`: when the first of all these began, `first_bad` when the first that was not answered well at once did; None where
    there is none, or nobody looked. `latencies`: of requests that did not fail; an error that comes fast makes nobody faster.
    `left`: how long the clients had waited that hung up before anything was answered, counted in `requests`, but neither in
    `errors` nor in `latencies`: whether the copy or the client was to blame depends on that time. `first_left`: when the
    first of them began.
    """

    runtime: RuntimeName
    requests: int = 0
    errors: int = 0
    retried: int = 0
    shed: int = 0
    latencies: Histogram = NO_REQUESTS
    left: Histogram = NO_REQUESTS
    first: datetime | None = None
    first_bad: datetime | None = None
    first_left: datetime | None = None
