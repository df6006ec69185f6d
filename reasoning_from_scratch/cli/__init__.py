"""The `rfs` command: `main.py` picks a command, whose file says its flags.

torch and matplotlib are imported in `run(args)`: help answers at once.
"""
