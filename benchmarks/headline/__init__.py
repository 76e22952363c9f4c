"""The headline benchmark's parts."""
