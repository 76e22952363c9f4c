"""From YAML and overrides to a checked configuration, and what can be said of it before anything is loaded. Torch-free.

`schema.py` is the door: the unions of all choices, and the whole. `load.py` reads, `own.py` takes in classes of
yours, `keys.py` and `fields.py` describe, `changes.py` says what a resumed run may do otherwise. `estimate.py` counts
tokens and `memory/` bytes; both ask the settings.
"""
