"""The folders of diffusers, read and written without PyTorch: networks, schedulers, and pipelines of both."""
