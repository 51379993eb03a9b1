"""The command line, for operators and for users at a terminal.

`main.py` lists all commands. Each command is in a module of its area, imported when the command is
run. Commands for operators work on the database through `catalogue`; the others, such as `image` and
`version`, send requests to a server through `goldenrod.client`.
"""
