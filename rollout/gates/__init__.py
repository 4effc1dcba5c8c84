"""Checks that let a move go on or bring it back."""
