"""The folders of diffusers, read and written without PyTorch: networks, encoders, tokenizers and schedulers."""
