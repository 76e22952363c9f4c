"""Whatever samples continuations of token prefixes."""
