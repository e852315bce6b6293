"""Which language a text is in: a linear model of hashed character n-grams, and what is in none."""
