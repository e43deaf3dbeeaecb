"""The dashboard: app, screens, panels and what they do with a record. Imports widgets and below."""
