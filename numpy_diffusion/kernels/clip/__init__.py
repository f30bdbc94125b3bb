"""The kernels that take CLIP's encoders there and back, apart since the loss between them needs the whole batch."""
