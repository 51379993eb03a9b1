"""The command line: a door beside the web, for operators and for people at a terminal.

`main.py` has all commands on one screen; what they do stands in one file per group, which is loaded
when one of its commands is asked for. Operators' commands act on the database through the nouns;
`image` and `version` ask a server through `goldenrod.client`.
"""
