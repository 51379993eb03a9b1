"""Walks through the pages as people do them: by mouse, by keyboard alone, and without JavaScript."""
