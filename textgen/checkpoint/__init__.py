"""Trained models on disk: their format, runs, and descriptions."""
