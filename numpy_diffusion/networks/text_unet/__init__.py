"""A text encoder and a U-Net trained together: what latent diffusion learns to draw from words with."""
