"""Decoding: prompts, the sampling loop, beam search and stopping criteria."""
