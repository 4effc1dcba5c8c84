"""The proxy in front of the services."""
