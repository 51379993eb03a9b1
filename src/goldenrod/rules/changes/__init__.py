"""What every change has in common: ids, references, the audit, events, idempotency."""
