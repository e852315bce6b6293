"""What is told of a graft."""
