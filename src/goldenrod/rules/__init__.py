"""The rules: who may read and change what, lifecycle, summaries, audit, events."""
