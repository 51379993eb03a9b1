"""The database: tables, connections, statements, lists. It supports SQLite and PostgreSQL, and knows no
access rules."""
