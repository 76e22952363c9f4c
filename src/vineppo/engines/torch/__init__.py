"""The embedded engine: transformers models in this process."""
