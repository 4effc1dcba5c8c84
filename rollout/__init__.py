"""Moves running services from a legacy runtime to a v2 runtime: planned in waves, gated, with a way back."""
