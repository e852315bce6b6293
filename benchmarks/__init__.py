"""Benchmarks against peers, in one run and paired. Not part of the wheel; README.md says how."""
