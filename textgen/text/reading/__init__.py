"""From files to documents of text, strictly decoded."""
