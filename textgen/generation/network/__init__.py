"""The forward pass in NumPy."""
