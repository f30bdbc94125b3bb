"""CLIP's text encoder and tokenizer against transformers' own: states, gradients, files and token ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.tokens import vocabulary, write

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# After the packages that they are compared with.
from checks import peers  # noqa: E402

from numpy_diffusion.interop.diffusers import files, text_encoders  # noqa: E402
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer  # noqa: E402

DRAWS, TEXTS = 10, 200
WEIGHTS = files.TRANSFORMERS_LIBRARY.weights


def drawn(seed: int) -> dict[str, Any]:
    """Options among those that are supported."""
    random = np.random.default_rng([8, seed])
    heads = int(random.integers(1, 5))
    tokens = int(random.integers(10, 60))
    return dict(
        vocab_size=tokens,
        hidden_size=heads * int(random.integers(2, 10)),
        intermediate_size=int(random.integers(5, 70)),
        num_hidden_layers=int(random.integers(1, 4)),
        num_attention_heads=heads,
        max_position_embeddings=[77, 12][random.integers(2)],
        hidden_act=["quick_gelu", "gelu", "gelu_new"][random.integers(3)],
        layer_norm_eps=[1e-5, 1e-6][random.integers(2)],
        eos_token_id=[2, tokens - 1][random.integers(2)],
        bos_token_id=0,
        pad_token_id=1,
    )


class Pair:
    """An encoder of transformers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        def make() -> Any:
            return transformers.CLIPTextModel(transformers.CLIPTextConfig(**config))

        self.theirs, self.folder = peers.saved(make, folder), folder
        self.ours = text_encoders.read(folder)
        random = np.random.default_rng(1)
        self.ids = random.integers(3, config["vocab_size"] - 1, (3, config["max_position_embeddings"]))
        self.ids[:, 0] = 0
        for row, end in zip(self.ids, (1, 7, 9), strict=True):
            row[end:] = config["vocab_size"] - 1

    def outputs_of_theirs(self) -> Any:
        return self.theirs(torch.from_numpy(self.ids))


@pytest.fixture(scope="module", params=range(DRAWS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(drawn(request.param), tmp_path_factory.mktemp("text_encoder"))


def test_the_draws_cover_the_options() -> None:
    draws = [drawn(seed) for seed in range(DRAWS)]
    for name, count in {
        "hidden_act": 3,
        "layer_norm_eps": 2,
        "max_position_embeddings": 2,
        "num_hidden_layers": 3,
    }.items():
        assert len({options[name] for options in draws}) == count
    assert {options["eos_token_id"] == 2 for options in draws} == {False, True}


def test_the_same_states(pair: Pair) -> None:
    expected = pair.outputs_of_theirs()
    for found, outputs in (
        (pair.ours(pair.ids), expected.last_hidden_state),
        (pair.ours.pooled(pair.ids), expected.pooler_output),
    ):
        values = outputs.detach().numpy()
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-5 * np.abs(values).max())


def test_the_same_gradients(pair: Pair) -> None:
    """Of a random projection of states and pooled ones."""
    random = np.random.default_rng(2)
    states, pooled, caches = pair.ours.forward(pair.ours.params, pair.ids)
    dstates, dpooled = (random.normal(size=values.shape).astype(np.float32) for values in (states, pooled))
    found = pair.ours.backward(dstates, dpooled, caches)
    pair.theirs.zero_grad()
    outputs = pair.outputs_of_theirs()
    loss = (outputs.last_hidden_state * torch.from_numpy(dstates)).sum()
    (loss + (outputs.pooler_output * torch.from_numpy(dpooled)).sum()).backward()
    peers.assert_same_gradients(found, pair.theirs)


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    text_encoders.write(pair.ours, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == (pair.folder / WEIGHTS).read_bytes()
    again = transformers.CLIPTextModel.from_pretrained(tmp_path)
    peers.assert_same_parameters(again, pair.theirs)
    for name, value in pair.ours.options.items():
        assert getattr(again.config, name) == getattr(pair.theirs.config, name) == value, name
    expected = pair.outputs_of_theirs()
    ids = torch.from_numpy(pair.ids)
    assert torch.equal(again.eval()(ids).pooler_output, expected.pooler_output)


@pytest.mark.parametrize("kind", ["CLIPTextModelWithProjection", "CLIPModel", "BertModel"])
def test_another_class_is_named(kind: str, tmp_path: Path) -> None:
    small = dict(vocab_size=9, hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1)
    if kind == "CLIPModel":
        few = {name: value for name, value in small.items() if name != "vocab_size"} | dict(
            image_size=4, patch_size=4
        )
        config = transformers.CLIPConfig(text_config=small, vision_config=few, projection_dim=4)
    else:
        made = transformers.BertConfig if kind == "BertModel" else transformers.CLIPTextConfig
        config = made(**small, pad_token_id=1)
    getattr(transformers, kind)(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"architectures: expected one of 'CLIPTextModel', got str '{kind}"):
        text_encoders.read(tmp_path)


# The tokenizer


SIGNS = {
    "letters": "abcdeprsDEPR",
    "digits": "0123456789",
    "punctuation": ".,;:!?'\"-_()[]{}<>|@#$%&*/\\",
    "accents": "éèüßñçÅøЖшλΩ",
    "chinese": "山水",
    "combining": "e\u0301o\u0308",
    "emoji": "😀👍🏽❤️🇩🇪👩‍🔬",
    "blanks": " \t\n\u00a0  ",
}
WORDS = ("red", "plane", "a", "RED", "don't", "we're", "it's", "I'LL", "3rd", "...", "naïve", "Straße", "\u2014")


def text(seed: int) -> str:
    """Words and runs of signs of some kinds with blanks between; every tenth far longer than 77 tokens."""
    random = np.random.default_rng([7, seed])
    found = []
    for _ in range(int(random.integers(0, 12)) + (200 if seed % 10 == 0 else 0)):
        if random.random() < 0.4:
            found.append(str(random.choice(WORDS)))
        else:
            signs = list(SIGNS[str(random.choice(list(SIGNS)))])
            found.append("".join(random.choice(signs, int(random.integers(1, 6)))))
    return " ".join(found) if random.random() < 0.7 else "".join(found)


TEXT = [text(seed) for seed in range(TEXTS)]


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
@pytest.mark.parametrize("kind", ["CLIPTokenizer", "CLIPTokenizerFast"])
def test_the_same_token_ids(kind: str, pad: str, tmp_path: Path) -> None:
    """Of both of their classes, which take another way with signs that control something and with Chinese."""
    alike = TEXT if kind == "CLIPTokenizer" else [one for one in TEXT if not set(one) & set("\u200d山水")]
    assert len(alike) > TEXTS // 3
    write(tmp_path / "written", pad)
    written = tmp_path / "written" / "vocab.json", tmp_path / "written" / "merges.txt"
    theirs = getattr(transformers, kind)(*map(str, written), model_max_length=77, pad_token=pad)
    theirs.save_pretrained(tmp_path / "theirs")
    CLIPTokenizer.from_folder(tmp_path / "theirs").to_folder(tmp_path / "ours")
    opened = getattr(transformers, kind).from_pretrained(tmp_path / "ours")
    for tokenizer in (theirs, opened):
        expected = tokenizer(
            alike, padding="max_length", max_length=77, truncation=True, return_tensors="np"
        ).input_ids
        for folder in ("written", "theirs", "ours"):
            found = CLIPTokenizer.from_folder(tmp_path / folder)(alike)
            for one, row, expected_row in zip(alike, found, expected, strict=True):
                assert row.tolist() == expected_row.tolist(), one


def test_a_folder_with_one_file_alone(tmp_path: Path) -> None:
    written = write(tmp_path / "written")
    theirs = transformers.CLIPTokenizerFast(str(written / "vocab.json"), str(written / "merges.txt"))
    theirs.save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).unlink()
    assert set(vocabulary()) <= set(json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"])
    np.testing.assert_array_equal(CLIPTokenizer.from_folder(tmp_path)(TEXT), CLIPTokenizer.from_folder(written)(TEXT))


def test_the_texts_are_of_all_kinds() -> None:
    joined = "".join(TEXT)
    assert all(
        any(sign in joined for sign in signs if sign.strip()) for name, signs in SIGNS.items() if name != "blanks"
    )
    assert sum(len(one) > 400 for one in TEXT) >= 10
    assert "" in TEXT
