"""Pages in a real browser, against a real server on the demonstration's catalogue.

`conftest.py` has the browser, the server and the windows of a test; `visits.py` the addresses that
are looked at; `screenshots.py` draws each of them.
"""
