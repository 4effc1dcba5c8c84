"""From fleet, policy and time to a plan: pure functions."""
