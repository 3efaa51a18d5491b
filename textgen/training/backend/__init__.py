"""Keras' backend and the process it runs in."""
