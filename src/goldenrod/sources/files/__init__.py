"""Sources that read only files: answers of clouds that somebody saved, and lines of JSON."""
