"""The table of keys and what the settings file changes in it. Imports nothing of the program."""
