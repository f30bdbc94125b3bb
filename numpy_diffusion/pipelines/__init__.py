"""Whole systems of a network and all that sampling from it needs, as diffusers' pipelines are, and their folders."""
