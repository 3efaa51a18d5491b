"""The Keras half of the network."""
