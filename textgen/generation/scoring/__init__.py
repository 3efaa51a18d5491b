"""How probable a given text is."""
