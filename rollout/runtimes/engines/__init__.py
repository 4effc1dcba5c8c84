"""Engines: what runs an instance."""
