"""Connections below HTTP: look-ups, dialling, TLS, proxies, the budget of sockets. Imports model."""
