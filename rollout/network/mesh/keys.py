"""Keys of the tunnels: X25519, as WireGuard has them; hexadecimal text, as its userspace interface wants them."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


def new_key() -> str:
    """A private key that nobody else has."""
    return X25519PrivateKey.generate().private_bytes_raw().hex()


def public_of(private_key: str) -> str:
    """The public key that belongs to it. ValueError for text that is no key."""
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(private_key)).public_key().public_bytes_raw().hex()
