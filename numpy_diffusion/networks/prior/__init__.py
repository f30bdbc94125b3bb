"""The prior of DALL-E 2: a transformer that predicts the embedding of a picture from its text."""
