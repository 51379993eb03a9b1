"""Choosing a machine, and snippets to paste for it."""
