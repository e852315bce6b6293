"""Recipes: what an experiment is, checked before anything runs."""
