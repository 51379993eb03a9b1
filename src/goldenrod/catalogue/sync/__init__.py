"""Reading clouds: where the catalogue and the clouds differ."""
