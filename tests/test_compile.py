"""Numba's cache filled beforehand: afterwards nothing that a user trains or draws is compiled."""

from __future__ import annotations

import subprocess
import sys

import pytest

import numpy_diffusion as nd
from numpy_diffusion import _compile

# What a process compiles, and what it asks the cache for: kernels that Python calls, and those called by address.
WATCHED = """
import sys
import numpy as np, numpy_diffusion as nd
from numba.core import event
from numba.core.dispatcher import Dispatcher

compiled, depth = [], 0

class Listener(event.Listener):
    def on_start(self, event):
        global depth
        if depth == 0:
            compiled.append((event.data["dispatcher"].py_func, event.data["args"]))
        depth += 1

    def on_end(self, event):
        global depth
        depth -= 1

def asked_for():
    modules = [module for name, module in sys.modules.items() if name.startswith("numpy_diffusion.kernels")]
    kernels = {value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    found = {(kernel.py_func, kinds) for kernel in kernels for kinds in kernel.stats.cache_hits}
    return {f"{function.__module__}.{function.__qualname__} {kinds}" for function, kinds in found | set(compiled)}

event.register("numba:compile", Listener())
"""
FILLS = """
from numpy_diffusion.cli.commands import main
assert main(["compile"]) == 0
print(*sorted(asked_for()), sep="\\n")
"""
USES = """
schedule = nd.Schedule.linear(T=40)
x0 = nd.datasets.gaussian(50, np.zeros(3), np.eye(3))
images, labels = np.zeros((4, 3, 16, 16), np.float32), [0, 1, 2, 0]
nd.q_trajectory(x0, schedule)
nd.q_sample(images, np.array([1, 2, 3, 3]), schedule)
for learns in (False, True):
    model = nd.MLP(3, learn_variance=learns)
    nd.train(model, schedule, x0, steps=20, batch=7)
    for done in nd.train_steps(nd.MLP(3, 40, 2, learn_variance=learns), schedule, x0, steps=2, sampling="importance"):
        pass
    for n in (1, 17):
        nd.sample(nd.MLP(3, learn_variance=learns), schedule, n, variance="learned" if learns else "beta")
        nd.sample(model, schedule, n, method="heun", steps=5, keep=[0])
    nd.bound(model, schedule, x0[:4])
    nd.inpaint(model, schedule, x0[0], [1, 0, 0], 2, resample=2, jump=2)
    model(x0, np.arange(50) % 40)
    for classes in (None, 4):
        unet = nd.UNet(
            sample_size=16, in_channels=3, out_channels=6 if learns else 3, block_out_channels=(16, 16, 32),
            norm_num_groups=4, num_class_embeds=classes, dropout=0.0,
            down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        )
        nd.train(unet, schedule, images, None if classes is None else labels, steps=2, batch=2, mirror=True)
        for n in (1, 5):
            asked = unet if classes is None else nd.guided(unet, np.arange(n) % 3, 2.0)
            nd.sample(nd.clipped(asked, schedule), schedule, n, steps=2, variance="learned" if learns else "beta")
        if classes is not None:
            nd.sample(nd.guided(unet, 3, 0.0), schedule, 5, steps=2)
            unet(images, 3, 1)
unet = nd.UNet(
    sample_size=16, in_channels=3, out_channels=3, block_out_channels=(16, 32), norm_num_groups=4, num_class_embeds=4,
    cross_attention_dim=6, attention_head_dim=4, dropout=0.1,
    down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
)
told = nd.Condition(labels=labels, states=np.ones((4, 5, 6)), mask=np.arange(5) < [[2], [3], [1], [5]])
nd.train(unet, schedule, images, told, steps=2, batch=2)
for n in (1, 4):
    nd.sample(nd.guided(unet, told.rows(slice(0, n)), 2.0), schedule, n, steps=2)
autoencoder = nd.AutoencoderKL(
    sample_size=16, block_out_channels=(16, 32), norm_num_groups=4, latent_channels=3,
    down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
)
nd.train_autoencoder(autoencoder, images, steps=2, batch=2)
for n in (1, 4):
    autoencoder.decode(autoencoder.encode(images[:n]).sample())
small = dict(hidden_size=12, intermediate_size=20, num_attention_heads=3, num_hidden_layers=1, projection_dim=5)
clip = nd.CLIP(
    image_encoder=dict(image_size=16, patch_size=8, **small), text_encoder=dict(vocab_size=6, eos_token_id=5, **small)
)
tokens = np.array([[4, 1, 5], [4, 2, 5], [4, 5, 5], [4, 3, 5]])
nd.train_clip(clip, images, tokens, steps=2, batch=2)
clip.similarity(images, tokens[:1])
prior = nd.PriorTransformer(
    num_attention_heads=2, attention_head_dim=8, num_layers=3, embedding_dim=12, num_embeddings=9, time_embed_dim=5
)
told = nd.Condition(embedding=np.ones((4, 12)), states=np.ones((4, 5, 12)), mask=np.arange(5) < [[2], [3], [1], [5]])
nd.train(prior, schedule, np.random.default_rng(0).normal(size=(4, 12)), told, steps=2, batch=2)
for n in (1, 4):
    asked = nd.as_eps(nd.guided(prior, told.rows(slice(0, n)), 2.0), schedule, "x0")
    nd.better_of_two(asked, schedule, told.embedding[:n], steps=2)
for function, kinds in compiled:
    print("compiled", function.__qualname__, kinds)
print("done", *sorted(asked_for()), sep="\\n")
"""


def test_nothing_is_left_to_compile() -> None:
    """What the command leaves in the cache is all that its users ask for, whatever this suite has put there too."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-c", WATCHED + code]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    first, second = run(FILLS), run(USES)
    begun, finished = first.stderr.splitlines()
    assert begun.startswith("compiling all kernels that are not yet in Numba's cache")
    assert finished.startswith("all kernels are compiled: this took ")
    done, *used = second.stdout.splitlines()
    assert done == "done"
    assert set(used) <= set(first.stdout.splitlines())
    assert len(used) > 10


def test_without_numba_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compile, "chosen", lambda name: "numpy")
    with pytest.raises(ImportError, match=r"^compile_kernels: needs Numba"):
        nd.compile_kernels()
