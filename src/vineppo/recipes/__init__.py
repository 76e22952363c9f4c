"""Whole algorithms, and the run around them.

`settings.py` has what is asked of every recipe, and the settings of each. `policy_iteration`, `rest_em` and
`dpo_positive` are algorithms (`algorithm.py`), built from `parts.py`, with one `sampler`. `build.py` goes from a
config to these parts; `run.py` is one run, with what it resumes from (`resume`, `inputs`, `random_states`), measures
and writes. `analyze`, `target` and `sources` are one analysis, `sft` makes a starting policy.
"""
