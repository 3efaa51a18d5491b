"""Commands that judge a text by a model: how probable it is, how much is copied."""
