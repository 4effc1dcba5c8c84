"""Which WireGuard this machine has: the kernel's own where it can make such a link, `wireguard-go` otherwise. Found by trying."""

from rollout.network.mesh.kernel import KernelTunnels, works
from rollout.network.mesh.tunnels import Tunnels
from rollout.network.mesh.userspace import UserspaceTunnels


def tunnels() -> Tunnels:
    """For a mesh of this machine."""
    return KernelTunnels() if works() else UserspaceTunnels()
