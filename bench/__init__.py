"""How fast it answers, beside what the machine can do at all. `python -m bench`, see `__main__.py`."""
