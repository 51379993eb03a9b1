"""The ground floor: settings, instants, errors, JSON in and out. Imports nothing of Goldenrod."""
