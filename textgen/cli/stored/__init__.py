"""Commands for what is stored: encoded texts and trained models."""
