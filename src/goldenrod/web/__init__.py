"""The web server: the HTTP API and the pages. Two hops from a route to its SQL."""
