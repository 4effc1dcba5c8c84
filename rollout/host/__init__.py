"""The host part: keeps instances, edge and names going while nobody runs a command."""
