"""Pages of what was read from clouds."""
