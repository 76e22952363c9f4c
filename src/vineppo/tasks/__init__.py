"""Where questions come from, and how a response is judged."""
