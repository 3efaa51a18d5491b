"""Several processes that train one model together, on Keras' distribution over JAX."""
