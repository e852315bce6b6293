"""Translations and labels of held-out text, and their scores."""
