"""The inside of a trained network in numbers: what it finds hard, and what its units do."""
