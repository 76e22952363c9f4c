"""The parts of `benchmarks/credit_map.py`."""
