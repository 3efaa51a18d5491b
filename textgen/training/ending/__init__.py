"""What is fitted on the held-out text when training has ended."""
