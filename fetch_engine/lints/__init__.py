"""What goes wrong with fetches, handles, loop and session, found in frozen facts. Imports core and model."""
