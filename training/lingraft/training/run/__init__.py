"""One run of training: the loop, what it leaves on disk, the arms of an experiment."""
