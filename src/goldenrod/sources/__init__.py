"""Sources from which image versions are imported. Only `sync` writes to the catalogue."""
