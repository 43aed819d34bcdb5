"""Benchmarks: programs, not tests. `python -m tests.bench` prints a table of ratios."""
