"""Exact n-gram counts of a text, and the weights with which they predict."""
