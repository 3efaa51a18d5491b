"""A server for trained models, with the interface of the OpenAI API."""
