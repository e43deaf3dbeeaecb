"""Where the bytes of a body go: hashing, spool, downloads, uploads. Imports files and model."""
