"""Parameter transfer: what of a model trains at a step, how fast, and what pulls it back."""
