"""Pages of look-up: checking the ids of running machines."""
