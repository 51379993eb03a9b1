"""The web server: the HTTP API and the pages. A route calls a resource module, which runs the SQL."""
