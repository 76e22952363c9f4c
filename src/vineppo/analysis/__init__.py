"""Instruments: how good is credit? Pure numerics, and the sampling they rest on. Meanings: docs/instruments.md."""
