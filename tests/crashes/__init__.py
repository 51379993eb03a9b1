"""Tests of what happens when processes, disks and clocks fail."""
