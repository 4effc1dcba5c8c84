"""Images: read from OCI layouts and docker archives, and checked before anything of them is published. Nothing is unpacked."""
