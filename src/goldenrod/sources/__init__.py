"""Sources: what image versions are imported from. Reading one is pure; `reconcile` alone writes."""
