"""Files: atomic writing, locks, and strict reading of what may be hostile."""
