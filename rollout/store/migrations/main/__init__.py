"""Branch main: every table that stays."""
