"""The architecture of a network, as data."""
