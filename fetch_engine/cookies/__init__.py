"""The cookie jar and its file (RFC 6265). Imports files and model."""
