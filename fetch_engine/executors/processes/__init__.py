"""Fetches in child processes. Imports executors and core."""
