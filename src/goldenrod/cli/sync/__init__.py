"""Commands about reading clouds."""
