"""From the user's options and paths to a training task."""
