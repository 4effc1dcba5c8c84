"""Contract suites of the ports, importable by authors of adapters."""
