"""What was reused of the parent, what an earlier parent would have cost, what data was saved."""
