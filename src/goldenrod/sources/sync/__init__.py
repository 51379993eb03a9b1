"""Reading clouds and bringing the catalogue up to date with what they list."""
