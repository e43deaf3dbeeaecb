"""What is typed or pasted into the URL field, and its history. Imports text."""
