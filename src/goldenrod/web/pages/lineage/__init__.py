"""The lineage picture and the same facts as a list."""
