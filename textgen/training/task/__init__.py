"""From a person's words to a training task."""
