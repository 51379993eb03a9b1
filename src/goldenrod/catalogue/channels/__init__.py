"""Channels, assigning versions to them, resolving and look-up."""
