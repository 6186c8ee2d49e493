"""Vectors with payloads: repositories over any store."""
