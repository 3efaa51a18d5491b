"""Constraints: which characters may follow, so that the text matches a pattern."""
