"""Hostile clients beside a well-behaved one: `python -m bench.hostile`, see README.md."""
