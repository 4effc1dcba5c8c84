"""Names, DNS and the detection of listening ports."""
