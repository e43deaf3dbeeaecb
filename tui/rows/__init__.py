"""Rows of finished fetches: kept, sorted, filtered, counted, read back from the store. Imports bridge and below."""
