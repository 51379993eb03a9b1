"""The pages for people: HTML from the same noun calls as the API."""
