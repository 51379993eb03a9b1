"""One action on several versions of an image."""
