"""Texts that are at hand: bundled with the package, or public and fetched by name."""
