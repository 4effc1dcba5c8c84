"""The legacy and the v2 runtime: in what order the world around an instance is prepared."""
