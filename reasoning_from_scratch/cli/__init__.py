"""The `rfs` command: one file a command.

`main.py` picks the command; `rfs --help` lists them by stage. Each file
`NAME.py` holds `HELP` (one line), `add_arguments(parser)` and `run(args)`,
and imports torch, sympy and matplotlib inside `run` alone, so that help
answers at once.
"""
