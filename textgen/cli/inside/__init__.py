"""The commands that look inside a network."""
