"""What a signal handler may do: it comes in the middle of anything, also of a line that is being written."""

import io
import os
import signal
import sys

import pytest

from rollout.cli.signals import stopping
from rollout.errors import Exit


class Busy(io.StringIO):
    """A stream that is being written to, as a buffered one is when the signal comes."""

    def write(self, _text: str) -> int:
        raise RuntimeError("reentrant call inside a buffered writer")


def test_what_is_told_needs_no_stream_that_may_be_in_use(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Busy())
    with stopping("stopping") as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked()
        assert (stop.exit_code(Exit.INTERRUPTED), stop.exit_code(Exit.DONE)) == (130, 0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == "stopping\n"


def test_the_handlers_of_before_are_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.exit_code(Exit.INTERRUPTED) == 143
    assert signal.getsignal(signal.SIGTERM) is before
