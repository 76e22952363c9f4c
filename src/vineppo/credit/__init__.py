"""One file per method: what each token of a response earned."""
