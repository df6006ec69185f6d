"""How the built-in pocket model is made: its problems, corpus and training.

Start at `corpus` (what the model reads) and `pretrain` (how it learns);
`assets/` holds what they made: weights, tokenizer and problem sets.
"""
