"""What a version was built on, and what was built on it."""
