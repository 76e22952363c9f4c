"""Instruments: how good is credit, and how do runs compare? Pure numerics, and the sampling that they rest on."""
