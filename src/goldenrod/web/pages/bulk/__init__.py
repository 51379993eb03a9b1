"""Pages that change several versions at once."""
