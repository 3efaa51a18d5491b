"""Trained models on disk: their format, runs, and what a checkpoint says of itself."""
