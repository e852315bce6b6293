"""Which parent for a child: scores of candidates before anything is grafted, and their regret."""
