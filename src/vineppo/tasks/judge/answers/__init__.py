"""A strict reader of answers: `read` makes a structure of the LaTeX or refuses; `same` and `accepts` compare structures.

It never shortens an answer: what it does not understand to the last character it refuses.
"""
