"""The autoencoder of latent diffusion (Rombach et al. 2022): images to smaller ones worth as much, and back."""
