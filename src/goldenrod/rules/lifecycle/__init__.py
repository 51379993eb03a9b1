"""States, revocation, deprecation and channel targets as SQL, computed when asked."""
