"""Commands for channels, resolving and look-up."""
