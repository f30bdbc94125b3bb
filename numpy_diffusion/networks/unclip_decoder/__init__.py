"""DALL-E 2's decoder with the projection before it, trained together."""
