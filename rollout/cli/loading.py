"""Loading the module of the command that is called, and of no other."""

import gc
import importlib
from typing import Any


def load(module: str) -> Any:
    """The module. What loading it makes is there to stay, so nobody looks through it for garbage, now or later."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        if collects:
            gc.enable()
