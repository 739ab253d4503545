"""Measures the pipeline against a floor: the same ten jobs as a good engineer would write them by hand with psql."""
