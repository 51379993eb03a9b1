"""The resources: what the catalogue stores about each thing, how it is read, and how it changes.

The functions of a resource module take `(tx, actor, …)` and never commit. Handlers, pages and commands
open the transaction. `goldenrod.rules` decides who may read and who may change something.
"""
