"""The typed configuration tree: torch-free."""
