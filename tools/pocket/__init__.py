"""How the built-in pocket model is made: its problems, corpus and training.

Start at `corpus` (what the model reads) and `pretrain` (how it learns). What
they made ships in the package's `pocket/assets`.
"""
