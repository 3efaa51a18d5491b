"""How Keras builds each kind of layer, one module per kind."""
