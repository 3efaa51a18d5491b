"""Recurrent cells: their Keras layers and the equations of their kernels."""
