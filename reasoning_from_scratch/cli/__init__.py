"""The `rfs` command: `main.py` picks a command, `NAME.py` holds it.

A command's file says its flags in tables and holds `run(args)`; torch and
matplotlib are imported inside that alone, so that help answers at once.
"""
