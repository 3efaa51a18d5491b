"""Tuning: trials of training with varied options, within some minutes (extra `tune`)."""
