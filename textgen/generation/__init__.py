"""The generation half: checkpoint to text, with NumPy alone."""
