"""Log-probs, losses and the update. Knows tokens and advantages, nothing of how they came about.

`build.py` makes all that learns ready, on any number of processes (`parallel`, `shares`): the policy (`trained`,
`lora`), its `reference`, the value network (`critic`). `losses` and `averages` are pure. `learner` is the PPO
family's update, `finetuning` with `likelihood` and `preference` that of the others.
"""
