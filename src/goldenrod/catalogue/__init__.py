"""The nouns: what the catalogue keeps of each thing, how it is read, how it changes.

A noun's functions take `(tx, actor, …)` and never commit; the doors above open the transaction.
Who sees and who may is asked of `goldenrod.rules`, and nowhere decided here.
"""
