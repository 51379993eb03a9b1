"""Sources from which image versions are imported. Only `reconcile` writes to the catalogue."""
