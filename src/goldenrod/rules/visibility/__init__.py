"""The access rule on versions in three further forms, for speed; tests/rules hold them equal to it.

Branches for long lists, stored counts, and denormalised columns.
"""
