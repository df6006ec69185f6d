"""The `rfs` command: one file a command.

`main.py` holds the help page and picks the command. Each file `NAME.py` holds
`add_arguments(parser)` and `run(args)`, and imports torch and matplotlib
inside `run` alone, so that help answers at once; what several commands share
stands in `flags.py`.
"""
