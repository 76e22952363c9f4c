"""Whole algorithms that compose the rooms below."""
