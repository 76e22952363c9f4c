"""What a run will need in memory. What an engine and a recipe hold is asked of their settings."""
