"""Syncing with clouds: what the catalogue has of an image, changing it, reports of runs, and drift."""
