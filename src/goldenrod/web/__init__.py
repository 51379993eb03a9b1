"""The HTTP door: requests in, problem documents and JSON out. Two hops from a route to its SQL."""
