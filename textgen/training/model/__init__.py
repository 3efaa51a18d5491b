"""The Keras half of the network.

Importing any part of it registers all of its classes with Keras, which can then load every
model that consists of them.
"""

from textgen.training.model import build, compiling

__all__ = ["build", "compiling"]
