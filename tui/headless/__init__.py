"""A run without a screen: results in order of completion, progress, exit code. Imports run and below."""
