"""Attention of our own in transformers' models, and sequences that share prefixes as token trees."""
