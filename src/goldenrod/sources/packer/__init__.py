"""Reads manifests that Packer's `manifest` post-processor writes.

`artifacts.py` reads the id of what a builder made, `manifest.py` a whole manifest, and `source.py` the
files that a declaration names. `goldenrod publish` reads a manifest with `manifest.py` too.
"""
