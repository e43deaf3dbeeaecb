"""Lists of URLs and requests in all their forms, read as they come. Imports the engine alone."""
