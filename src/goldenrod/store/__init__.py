"""The cellar: tables, connections, statements, lists. Knows SQL and both databases, not the rules."""
