"""Fetches on the workers of a Dask cluster (extra `dask`). Imports executors and core."""
