"""How long tests wait for something that must happen."""

from __future__ import annotations

PATIENCE = 600
"""Seconds, more than it takes on the busiest machine: only what hangs is ended."""
