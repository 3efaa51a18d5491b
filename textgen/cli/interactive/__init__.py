"""`textgen sample --interactive`: a conversation with a model."""
