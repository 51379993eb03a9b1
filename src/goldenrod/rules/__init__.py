"""The rules: who may read and change what, the lifecycle, summaries, the audit, and events."""
