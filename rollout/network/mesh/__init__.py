"""The private network of this host: rooms, tunnels and members over WireGuard. `mesh.Mesh` fulfils `host.network.Network`."""
