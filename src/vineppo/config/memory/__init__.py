"""The memory forecast."""
