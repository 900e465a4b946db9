"""Whole pictures as vectors, and what tells them apart: k-NN, a linear probe, likeness."""
