"""Widgets that paint lines: table, frame, cursor, pages. Imports rows, keys, text."""
