"""The demo: its story, its sample services, its load client."""
