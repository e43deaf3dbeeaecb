"""The embedded server of `--demo` and what is fetched from it. Imports nothing of the program."""
