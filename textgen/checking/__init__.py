"""Judging texts: what would hurt a training, and how much of a text is copied."""
