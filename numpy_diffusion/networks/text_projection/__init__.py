"""What brings CLIP's embeddings and states into the form that DALL-E 2's decoder is told."""
