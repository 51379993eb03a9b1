"""The steps by which the tables came to be what `schema.py` says; run by `store/migrate.py`."""
