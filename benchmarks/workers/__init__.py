"""Each engine in a process of its own, so that its peak memory and its environment are its own."""
