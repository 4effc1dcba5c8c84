"""Every file that people write: policies, fleet files, Railway manifests."""
