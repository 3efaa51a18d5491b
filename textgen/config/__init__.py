"""What can be configured: frozen dataclasses that validate on construction."""
