"""Pages of the signed-in user: signing in, account, tokens, groups."""
