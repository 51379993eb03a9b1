"""Image versions: publishing, machines, providers, licenses, scripts, revocation, history."""
