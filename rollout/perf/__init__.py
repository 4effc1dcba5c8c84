"""Measured performance: histograms, snapshots, and how they are compared. Pure."""
