"""How fast rollouts from shared prefixes are sampled: contenders side by side, and the floor none can go below."""
