"""Pages for staff: users, groups, providers, identities, tags and security events."""
