"""Between the engine in its thread and the screen: snapshots one way, commands the other. Imports run, entry, text."""
