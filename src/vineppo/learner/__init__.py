"""Log-probs, losses and the update. Knows tokens and advantages, nothing of how they came about."""
