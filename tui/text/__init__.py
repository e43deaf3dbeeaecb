"""Text for a terminal: cut, made safe, measured, in parts with roles. Imports the engine alone."""
