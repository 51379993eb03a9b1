"""Pages for staff: users, providers, identities, tags."""
