"""Who earned the reward: one file a method, with its settings, its equation and its paper.

`settings.py` has what is asked of every method and what it may be built from; `build.py` deals credit at random for
the control arm (`shuffle.py`). `vine`, `gae` (PPO) and `group` (GRPO, RLOO) are whole methods. Coupled vines are
`coupled_assigner` (at work) and `coupled` (the estimator); tree credit `tree_assigner` and `restarts`. What those two
share: the `tree` of a group's trajectories, `leaving` it, the `plan` of where, `pilot` and `segments` for long
responses. `spread`, `mask` and `normalise` go from steps to tokens and scale.
"""
