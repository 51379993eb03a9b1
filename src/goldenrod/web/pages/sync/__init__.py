"""Pages about reading clouds."""
