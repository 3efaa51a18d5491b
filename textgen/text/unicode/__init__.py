"""Normal forms and code points."""
