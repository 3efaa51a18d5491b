"""The interface of the OpenAI API: requests, answers, errors, and their description."""
