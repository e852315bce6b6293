"""An experiment: the graft and its controls, each over several seeds, and what they score."""
