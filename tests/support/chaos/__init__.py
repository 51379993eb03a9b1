"""Kills processes of a working catalogue, and checks that nothing was lost.

`python -m tests.support.chaos --kills 200 --database sqlite` (or postgresql, or both): writers and
readers use a real server with several workers, while a worker, its main process, a sync, an import, a
migration, PostgreSQL or one of its backends is killed (SIGKILL). After each kill:

- every change that was acknowledged is there, and every other one is there whole or not at all;
- the audit, replayed, gives what the tables have;
- the revision never went back, and no answer of the server differs from that of a new reader;
- every event of a change is delivered or waits.

`scene.py` has the processes, `record.py` what was acknowledged, `load.py` the writers and readers,
`kills.py` what is killed, `checks.py` and `replay.py` what is checked, `run.py` the whole.
"""
