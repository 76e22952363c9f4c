"""What the sections of a configuration are: those that everybody has, and the words in which the others answer.

A section with variants (`credit`, `task`, `steps`, `curriculum`, `recipe`, `engine`) is settled in its own room: its
`settings.py` has the base class with all questions that are asked of it, and each variant its settings beside its code.
`strict.py` is what they all are; `shapes.py`, `memory.py` and `model_shape.py` are what they count in.
"""
