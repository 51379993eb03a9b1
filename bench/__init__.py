"""Benchmarks: how fast Goldenrod answers, compared with the limits of the machine."""
