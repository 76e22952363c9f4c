"""A strict reader of answers: `reading` makes a form of the LaTeX or refuses it, `rules` says which forms are the same.

Nothing is shortened: what is not understood to its last character is refused.
"""
