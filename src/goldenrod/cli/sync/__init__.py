"""Commands that bring the catalogue up to date with clouds, and list where they differ."""
