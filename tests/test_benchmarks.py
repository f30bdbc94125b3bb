"""The benchmark's contestants do the same work: its own checks, on small sizes, with every peer that is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import numpy_diffusion as nd
from numpy_diffusion.layers import bicubic

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LIBRARIES = {"peer_numpy": "numpy", "peer_torch": "torch", "peer_jax": "jax"}


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("works")


@pytest.fixture(params=LIBRARIES)
def peer(request: pytest.FixtureRequest, works: ModuleType) -> ModuleType:
    pytest.importorskip(LIBRARIES[request.param])
    module = importlib.import_module(request.param)
    module.NAMES = tuple(name for name in module.NAMES if "compiled" not in name)  # a minute of compilation
    return module


def test_a_peer_gives_the_same_answers(works: ModuleType, peer: ModuleType) -> None:
    for into in (False, True):
        works.q_sample([peer], 300, 20, into)
    works.chain([peer], 40, 1.0, method="ddim", steps=10).runs[peer.NAMES[0]]()
    works.log_prob([peer], 20, 6)
    works.train([peer], 48, 1.0).runs[peer.NAMES[0]]()


def test_a_wrong_answer_is_found(works: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = importlib.import_module("peer_numpy")
    monkeypatch.setattr(peer, "_silu", lambda g: g / (1.001 + __import__("numpy").exp(-g)))
    with pytest.raises(AssertionError):
        works.chain([peer], 40, 1.0, method="ddim", steps=10)


LATENT_WORKS = ("predict", "train", "encode", "decode", "train_autoencoder")


@pytest.fixture
def latents(works: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The works of latent diffusion on a small scale."""
    module = importlib.import_module("latent_works")
    small = {"UNET": (8, 16, 16), "AUTOENCODER": (8, 8, 16), "LATENT": (4, 8, 8), "IMAGE": (3, 32, 32)}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    return module


class Definition:
    """A peer of the latents' works by the definition, which is there without any library; `factor` 1 is right."""

    NAMES = ("definition",)

    def __init__(self, factor: float = 1.0) -> None:
        self.factor, self.ours = factor, importlib.import_module("ours")

    def predict(
        self, name: str, model: nd.UNet, x: np.ndarray, t: int, states: np.ndarray, mask: np.ndarray
    ) -> Callable[[], np.ndarray]:
        return lambda: self.factor * model(x, t, states=states, mask=mask, backend="numpy")

    def encode(self, name: str, model: nd.AutoencoderKL, x: np.ndarray) -> Callable[[], list[np.ndarray]]:
        return lambda: [self.factor * values for values in model.encode(x, backend="numpy")]

    def decode(self, name: str, model: nd.AutoencoderKL, z: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: self.factor * model.decode(z, backend="numpy")

    def train(self, name: str, model: nd.UNet, schedule: nd.Schedule, *settings: Any) -> tuple[Any, Any]:
        def gradient(
            x0: np.ndarray, t: np.ndarray, eps: np.ndarray, states: np.ndarray, mask: np.ndarray
        ) -> np.ndarray:
            told = nd.Condition(states=states, mask=mask)
            return self.factor * self.ours.gradient(model, schedule, x0, t, eps, told)

        return lambda: None, gradient

    def train_autoencoder(
        self, name: str, model: nd.AutoencoderKL, data: np.ndarray, kl_weight: float, *settings: Any
    ) -> tuple[Any, Any]:
        def gradient(x: np.ndarray, noise: np.ndarray) -> np.ndarray:
            return self.factor * model.gradient(len(x), kl_weight, "numpy")(model.buffer, x, noise)[1]

        return lambda: None, gradient


@pytest.mark.parametrize("work", LATENT_WORKS)
def test_the_latents_answers_are_those_of_the_definition(latents: ModuleType, work: str) -> None:
    found = getattr(latents, work)("a work", [Definition()], 1, 1.0, 2)
    for run in found.runs.values():
        run()
    assert set(found.first) == set(found.runs) == {"numpy_diffusion", "definition"}
    assert found.flops > 1e6


@pytest.mark.parametrize("work", LATENT_WORKS)
def test_a_wrong_answer_on_latents_is_found(latents: ModuleType, work: str) -> None:
    with pytest.raises(AssertionError, match="definition"):
        getattr(latents, work)("a work", [Definition(1.001)], 1, 1.0, 2)


@pytest.mark.parametrize("work", ["train", "train_autoencoder"])
def test_a_compiler_that_gives_another_gradient_is_left_out(
    latents: ModuleType, work: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Definition, "NAMES", ("definition, compiled",))
    assert len(getattr(latents, work)("a work", [Definition()], 1, 1.0, 2).runs) == 2
    assert list(getattr(latents, work)("a work", [Definition(1.001)], 1, 1.0, 2).runs) == ["numpy_diffusion"]
    assert "definition, compiled: left out, its gradient is off by 1.0e-03" in capsys.readouterr().out


@pytest.mark.parametrize("work", LATENT_WORKS)
def test_a_peer_gives_the_same_answers_on_latents(latents: ModuleType, work: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    peer = importlib.import_module("peer_latents")
    peer.NAMES = tuple(name for name in peer.NAMES if "compiled" not in name)
    for run in getattr(latents, work)("a work", [peer], 1, 1.0, 2).runs.values():
        run()


class CLIPDefinition:
    """A peer of CLIP's work by the definition; `factor` 1 is right."""

    NAMES = ("definition",)

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def train(self, name: str, clip: nd.CLIP, *settings: Any) -> tuple[Any, Any]:
        def gradient(x: np.ndarray, ids: np.ndarray) -> np.ndarray:
            return self.factor * clip.gradient(len(x), "numpy")(clip.buffer, x, ids)[1]

        return lambda: None, gradient


@pytest.fixture
def clips(works: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """CLIP's work on a small scale."""
    module = importlib.import_module("clip_works")
    for name, value in {"HIDDEN": 16, "LAYERS": 2, "IMAGE": 8}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_clips_gradient_is_that_of_the_definition(clips: ModuleType) -> None:
    found = clips.train("a work", [CLIPDefinition()], 1, 1.0, 3)
    for run in found.runs.values():
        run()
    assert set(found.first) == set(found.runs) == {"numpy_diffusion", "definition"}
    assert found.flops > 1e5
    with pytest.raises(AssertionError, match="definition"):
        clips.train("a work", [CLIPDefinition(1.001)], 1, 1.0, 3)
    assert [title.split(",")[0] for title in clips.jobs([])] == ["CLIP 16", "CLIP 64 (x 4)"]


def test_a_peer_gives_the_same_gradient_of_clip(clips: ModuleType) -> None:
    for library in ("torch", "diffusers", "transformers"):
        pytest.importorskip(library)
    peer = importlib.import_module("peer_clip")
    peer.NAMES = tuple(name for name in peer.NAMES if "compiled" not in name)
    for run in clips.train("a work", [peer], 1, 1.0, 3).runs.values():
        run()


class UnCLIPDefinition:
    """A peer of the works of DALL-E 2 by the definition; `factor` 1 is right."""

    NAMES = ("definition", "definition, channels_last")

    def __init__(self, factor: float = 1.0) -> None:
        self.factor, self.ours = factor, importlib.import_module("ours")

    def train_prior(self, name: str, model: nd.PriorTransformer, schedule: nd.Schedule, *settings: Any) -> Any:
        def gradient(z0: np.ndarray, t: np.ndarray, eps: np.ndarray, *told: np.ndarray) -> np.ndarray:
            condition = nd.Condition(**dict(zip(("embedding", "states", "mask"), told, strict=True)))
            return self.factor * self.ours.gradient(model, schedule, z0, t, eps, condition)

        return lambda: None, gradient

    def train_upsampler(self, name: str, model: nd.UNet, schedule: nd.Schedule, *settings: Any) -> Any:
        def gradient(x0: np.ndarray, t: np.ndarray, eps: np.ndarray, low: np.ndarray) -> np.ndarray:
            return self.factor * self.ours.gradient(model, schedule, x0, t, eps, nd.Condition(low_resolution=low))

        return lambda: None, gradient


UNCLIP_WORKS = {"train_prior": ("definition",), "train_upsampler": UnCLIPDefinition.NAMES}


@pytest.fixture
def unclips(works: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The works of DALL-E 2 on a small scale."""
    module = importlib.import_module("unclip_works")
    small = {"EMBEDDING": 16, "HEAD": 8, "LAYERS": 2, "CHANNELS": (8, 16), "IMAGE": 16, "LOW": 8, "CROP": 8}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.mark.parametrize("work", UNCLIP_WORKS)
def test_unclips_gradients_are_those_of_the_definition(unclips: ModuleType, work: str) -> None:
    found = getattr(unclips, work)("a work", [UnCLIPDefinition()], 1, 1.0, 3)
    for run in found.runs.values():
        run()
    assert set(found.first) == set(found.runs) == {"numpy_diffusion", *UNCLIP_WORKS[work]}
    assert found.flops > 1e5
    with pytest.raises(AssertionError, match="definition"):
        getattr(unclips, work)("a work", [UnCLIPDefinition(1.001)], 1, 1.0, 3)
    assert [title.split(",")[0] for title in unclips.jobs([])] == [
        *("prior 16", "upsampler 8-16"),
        *("prior 64 (x 4)", "upsampler 32-64 (x 4)"),
    ]


def test_the_priors_operations_are_those_of_its_products(unclips: ModuleType) -> None:
    """As the definition's products count them: of all tokens, less what the last block leaves out."""
    model = nd.PriorTransformer(
        embedding_dim=6, num_embeddings=5, num_layers=2, num_attention_heads=2, attention_head_dim=4
    )
    given = {"proj_in": 1, "embedding_proj": 1, "encoder_hidden_states_proj": 5, "time_embedding.linear_1": 1}
    tokens, total = 9, 0.0
    for name, values in model.params.items():
        if values.ndim == 2:
            layer = name.removesuffix(".weight")
            others = 1 if "." not in layer or "time" in layer or layer.startswith("transformer_blocks.1") else tokens
            rows = tokens if layer.endswith(("to_k", "to_v")) else given.get(layer, others)
            total += 2.0 * rows * values.size * (2 if layer in given else 3)
    assert unclips._prior_flops(model, 5) == total


@pytest.mark.parametrize("work", UNCLIP_WORKS)
def test_a_peer_gives_the_same_gradients_of_unclip(unclips: ModuleType, work: str) -> None:
    for library in ("torch", "diffusers"):
        pytest.importorskip(library)
    peer = importlib.import_module("peer_unclip")
    peer.NAMES = tuple(name for name in peer.NAMES if "compiled" not in name)
    for run in getattr(unclips, work)("a work", [peer], 1, 1.0, 3).runs.values():
        run()


def test_what_a_peers_upsampler_is_shown_is_cut_as_ours(unclips: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without blur, of images that are their low-resolution ones enlarged, it is shown what it is to draw."""
    for library in ("torch", "diffusers"):
        pytest.importorskip(library)
    peer, drawn = importlib.import_module("peer_unclip"), []
    monkeypatch.setattr(peer, "training", lambda *arguments: (lambda: drawn.append(arguments[-2]()), None))
    low = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    data = bicubic.forward(low, 16, 16)
    model, schedule = unclips._upsampler(1, 16), nd.Schedule.cosine(T=10)
    peer.train_upsampler("PyTorch eager", model, schedule, data, low, 0.0, 8, 4, 1e-4)[0]()
    x0, t, eps, shown = (values.numpy() for values in drawn[0])
    assert x0.shape == eps.shape == (4, 3, 8, 8)
    assert 1 <= t.min() <= t.max() <= 10
    np.testing.assert_allclose(shown, x0, atol=1e-5)


def test_only_chooses_by_title_and_quick_leaves_out_what_is_long(
    latents: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, written = importlib.import_module("run"), {}
    named = [*latents.jobs([]), "Algorithm 1, 1000 steps, 8192 points"]
    monkeypatch.setattr(run, "_jobs", lambda: {title: lambda title=title: title for title in named})
    monkeypatch.setattr(run, "measure", lambda title, **_: {"title": title})
    monkeypatch.setattr(run.report, "write", lambda found, out: written.update(found))

    def chosen(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["run.py", "--no-race", "--out", str(tmp_path), *arguments])
        run.main()
        return [row["title"] for row in written["works"]]

    assert len(set(chosen())) == len(named) == 16
    assert chosen("--quick") == [title for title in named[:5] if "(x" not in title]
    assert chosen("--quick", "--only", "U-Net 32-64-64 (x 4)") == [named[10], named[11]]
    assert len(chosen("--only", "autoencoder")) == 9


def test_the_report_has_a_row_a_work_and_a_chart(works: ModuleType, tmp_path: Path) -> None:
    report, timing = importlib.import_module("report"), importlib.import_module("timing")
    seconds = {"numpy_diffusion": 0.001, "NumPy": 0.004}
    row = {"title": "a work", "target": 2.0, "seconds": seconds, "first call": seconds, "share of peak": 0.5}
    report.print_row(row)
    report.write({"machine": timing.machine(), "works": [row]}, tmp_path)
    assert "| a work | 1 ms | 4 ms | **4.0 x** | 50% |" in (tmp_path / "benchmark.md").read_text()
    assert (tmp_path / "benchmark.png").stat().st_size > 5000
    assert sys.modules["report"].ratio(row) == pytest.approx(4.0)
