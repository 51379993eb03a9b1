"""Lineage: the ancestors and descendants of versions."""
