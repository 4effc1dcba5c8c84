"""The log of a container as engines send it: frames of eight bytes and what was written."""

HEAD = 8


def lines(content: bytes) -> list[str]:
    """What was written, to both outputs, in the order in which the engine sends it."""
    written, at = bytearray(), 0
    while at + HEAD <= len(content):
        size = int.from_bytes(content[at + 4 : at + HEAD], "big")
        written += content[at + HEAD : at + HEAD + size]
        at += HEAD + size
    return written.decode(errors="replace").splitlines()
