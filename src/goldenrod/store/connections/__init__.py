"""How the process reaches SQLite and PostgreSQL: drivers, pools, a standby for reads, and outages."""
