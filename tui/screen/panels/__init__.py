"""The panes of the dashboard. Imports widgets and below."""
