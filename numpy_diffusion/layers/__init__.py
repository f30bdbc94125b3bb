"""One file a layer: `forward` and `backward` one above the other, in NumPy, for float32 and float64.

`forward` returns the output and a cache of what its gradient needs; `backward` takes the gradient of the loss
by the output and returns that by each input and parameter.
"""
