"""Pages of what was read from clouds, and where they differ from the catalogue."""
