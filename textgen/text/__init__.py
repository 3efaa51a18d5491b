"""Reading text, turning it into ids, cutting it into lanes. Knows no model."""
