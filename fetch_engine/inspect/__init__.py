"""Who holds an object, in words, from a search through the heap. Imports nothing of ours."""
