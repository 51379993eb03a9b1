"""Export, import and backup of a catalogue."""
