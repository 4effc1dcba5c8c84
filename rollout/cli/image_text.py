"""How sizes of images are told."""

_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def size(count: int) -> str:
    """`1.5 MiB`."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"
