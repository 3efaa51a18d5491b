"""The training half: text to checkpoint. The only part that needs Keras."""
