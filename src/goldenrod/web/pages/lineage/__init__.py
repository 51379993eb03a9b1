"""The lineage pages: a picture, and the same facts as a list."""
