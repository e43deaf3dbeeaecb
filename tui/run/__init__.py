"""One run: its inputs, journal, delivery, what is left of an earlier one, the report. Imports inputs, options, text."""
