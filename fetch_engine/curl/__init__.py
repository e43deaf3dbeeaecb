"""curl's command lines and globs, read and written. Imports fetch and model."""
