"""Migrations, in two branches."""
