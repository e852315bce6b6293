"""Where parents come from and what is known of them."""
