"""Texts that come with the package, and public ones that are downloaded by name."""
