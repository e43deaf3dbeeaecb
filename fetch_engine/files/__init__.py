"""What a path that is written to stands for, the names of files, and who has claimed them. Imports model."""
