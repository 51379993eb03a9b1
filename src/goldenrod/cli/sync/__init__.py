"""Commands that bring the catalogue up to date with clouds."""
