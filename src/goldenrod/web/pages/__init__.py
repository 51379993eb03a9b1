"""Pages for people: the same functions as the API, shown as HTML.

`routes.py` lists all pages on one screen. A page shows exactly what the API answers to the same reader.
"""
