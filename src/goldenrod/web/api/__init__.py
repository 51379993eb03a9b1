"""The HTTP API: its routes, and the handlers that no other resource shares."""
