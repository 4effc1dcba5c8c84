"""Branch setting: the table that finalize removes."""
