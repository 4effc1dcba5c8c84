"""The store: tables, journal, leases, audit."""
