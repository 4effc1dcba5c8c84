"""The words of the product as frozen values: no library, no clock, no disk."""
