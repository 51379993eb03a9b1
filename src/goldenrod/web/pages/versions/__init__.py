"""Pages of versions: reading, publishing, editing, withdrawing, comparing."""
