"""The rules: who sees and may change what, objects inside objects, the audit. Used by every noun."""
