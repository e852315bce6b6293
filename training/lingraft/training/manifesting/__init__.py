"""From a measured graft to its bundle."""
