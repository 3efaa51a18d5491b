"""Judging texts: what would impair training, and how much of a text is copied."""
