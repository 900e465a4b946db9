"""Masks to be scored: those that a method makes now, and those that lie in files."""
