"""Which WireGuard this machine has: the kernel's own where it can make such a link, `wireguard-go` otherwise. Found by trying."""

from pathlib import Path

from rollout.network.mesh.kernel import KernelTunnels, works
from rollout.network.mesh.tunnels import Tunnels
from rollout.network.mesh.userspace import UserspaceTunnels
from rollout.network.mesh.watches import Watches


def tunnels(folder: Path) -> Tunnels:
    """For the mesh of the home with this folder (HOME/host/mesh)."""
    return KernelTunnels() if works() else UserspaceTunnels(Watches(folder / "watches-before"))
