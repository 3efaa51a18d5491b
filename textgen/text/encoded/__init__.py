"""Encoded corpora: a text read, split and encoded once, cached, and cut into windows."""
