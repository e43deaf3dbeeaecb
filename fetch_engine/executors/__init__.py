"""Fetches that run elsewhere, and what child processes and clusters share. Imports core and below."""
