"""Pieces: the tokenizer, and how a child's pieces get onto a parent."""
