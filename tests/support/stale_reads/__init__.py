"""The long run: `python -m tests.support.stale_reads READS` reads while another process writes and
time passes. It exits with 1 if an answer was stale."""
