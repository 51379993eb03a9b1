"""Users, groups, identities, tokens and sessions."""
