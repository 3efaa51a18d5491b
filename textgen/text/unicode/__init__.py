"""Unicode: normal forms and code points."""
