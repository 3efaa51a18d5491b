"""A trained model as one file that others can use, and its description for them."""
