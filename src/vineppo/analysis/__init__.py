"""Instruments: how good is credit, how do runs compare? Pure numerics, and the sampling that they rest on."""
