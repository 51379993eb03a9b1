"""What all layers use: settings, clock, errors, decoding, text. Imports no other layer."""
