"""Commands for users, groups and tokens."""
