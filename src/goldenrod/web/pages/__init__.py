"""Pages for people: the same noun calls as the API, shown as HTML.

`routes.py` has all of them on one screen. A page shows exactly what the API tells this reader.
"""
