"""The parts of `benchmarks/headline.py`: every method, tuned on one grid, then compared on seeds of its own."""
