"""The child's pieces on the parent's weights: rows of new pieces, and the folder made of them."""
