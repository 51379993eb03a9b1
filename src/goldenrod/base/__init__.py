"""Code that every layer uses: settings, clock, errors, decoding, text. It imports no other layer."""
