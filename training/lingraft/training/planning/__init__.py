"""The plan of a run: what would be done, how large it is and about how long it takes."""
