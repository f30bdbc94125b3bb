"""The autoencoder of latent diffusion (Rombach et al. 2022): images to smaller ones that are worth as much, and back."""
