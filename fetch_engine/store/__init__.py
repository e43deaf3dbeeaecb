"""Runs kept in SQLite: written, read, resumed, pruned. Imports model."""
