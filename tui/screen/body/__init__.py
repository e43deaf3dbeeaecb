"""Bodies of responses made readable: formats, hex, pictures, search; no widget and no screen."""
