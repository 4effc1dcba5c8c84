"""What containers go on writing, asked of their engines: nothing is changed, so that the host part need not be in between."""

import time
from pathlib import Path

from rollout.host.ports import Attached
from rollout.operations.logs import Stream, Written
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.log_stream import LogStream
from rollout.wiring.containers import DIALECTS, FOLDER
from rollout.wiring.home import Home, find
from rollout.wiring.seen import folder


def stream(home: Home | None = None) -> Stream:
    """The logs of the containers of a home."""
    where = folder((home or find()).path)
    records, labels = Records(where / FOLDER), Labels.of_folder(where)

    def written(one: Attached, from_end: bool) -> Written | None:
        record = records.read(one.id)
        if record is None or record.stopped:
            return None
        api = ContainerApi(record.engine.value, Path(record.socket), DIALECTS[record.engine].prefix, sleep=time.sleep)
        return LogStream(api, labels.name(one.id), from_end=from_end)

    return written
