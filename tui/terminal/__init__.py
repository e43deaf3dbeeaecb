"""The terminal: setting up, sizes, signals, and a driver that sends differences. Imports text."""
