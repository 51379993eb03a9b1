"""Limits on load: how many requests a client may send, and how many are answered at once."""
