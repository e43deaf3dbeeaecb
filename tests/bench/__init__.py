"""Measurements, side by side with other programs: `python -m tests.bench` from the root of a checkout.

Nothing here is a test: a figure depends on the machine and on what else runs there.
"""
