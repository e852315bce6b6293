"""What a graft must beat that is no neural network."""
