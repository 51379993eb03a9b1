"""Syncing with clouds: what the catalogue has of an image, changing it, and the reports of runs."""
