"""Windows, freezes and zones."""
