"""Instance transfer: how often parent text is visited, and which of it helps the target."""
