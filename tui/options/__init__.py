"""The command line, the environment and the settings file, read and checked. Imports keys and text."""
