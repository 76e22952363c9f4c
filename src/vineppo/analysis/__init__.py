"""Instruments: how good is credit? Pure numerics, and the sampling that they rest on. What each means: docs/instruments.md."""
