"""Training: a recipe becomes a proven, exported graft."""
