"""The decoding loop: which text is written, when it ends, and how it becomes visible."""
