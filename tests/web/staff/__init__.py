"""Tests of what staff see: activity, failures, names completed."""
