"""Monitoring: request ids, slow requests, metrics, traces, and whether the server is ready."""
