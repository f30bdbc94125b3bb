"""An UnCLIPPipeline's folder: what is written is read, and what is missing, foreign or without a place is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.unclip import (
    PLACES,
    D,
    decoder,
    image_encoder,
    pipeline,
    prior,
    stages,
    text_encoder,
    text_projection,
    upsampler,
)

import numpy_diffusion as nd
from numpy_diffusion.data import captions
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.pipelines import unclip_folder
from numpy_diffusion.pipelines.ddpm import INDEX
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.spacing import Solver

NETWORKS = ("text_encoder", "prior", "text_projection", "decoder", "image_encoder")


def whole(**changes: Any) -> UnCLIP:
    """One whose prior takes the empty text for none, as diffusers has it."""
    found = pipeline(**changes)
    found.prior.nothing = unclip_folder.empty_text(found.tokenizer, found.text_encoder)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ours, not to be changed."""
    path = tmp_path_factory.mktemp("pipelines") / "scenes"
    whole(last_upsampler=upsampler(seed=9)).to_diffusers(path)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def edited(path: Path, **changes: Any) -> None:
    """Change options in a file; None leaves one out."""
    options = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in options.items() if value is not None}))


def same_networks(found: UnCLIP, expected: UnCLIP) -> None:
    """To the bit; but an encoder has more tokens, of which no text has any."""
    for name in NETWORKS:
        one, other = (getattr(each, name) for each in (found, expected))
        if name == "text_encoder":
            ids = captions.tokenizer()(["a big red plane on the left"])[:, :PLACES]
            np.testing.assert_array_equal(one(ids).embedding, other(ids).embedding)
        else:
            assert one.config == other.config
            np.testing.assert_array_equal(one.buffer, other.buffer)
    for one, other in zip(found.upsamplers, expected.upsamplers, strict=True):
        assert one.config == other.config
        np.testing.assert_array_equal(one.buffer, other.buffer)


def test_what_is_written_is_read(folder: Path) -> None:
    found, expected = nd.load_diffusers(folder), whole()
    assert isinstance(found, UnCLIP)
    same_networks(found, expected)
    assert found.last_upsampler is not None
    np.testing.assert_array_equal(found.last_upsampler.buffer, upsampler(seed=9).buffer)
    assert found.tokenizer == expected.tokenizer
    for name, stage in stages().items():
        own = getattr(found, name)
        np.testing.assert_array_equal(own.schedule.beta, stage.schedule.beta)
        assert replace(own, schedule=stage.schedule).__dict__ == stage.__dict__
    for name, value in found.prior.nothing.arguments().items():
        np.testing.assert_array_equal(value, expected.prior.nothing.arguments()[name])


def test_what_is_not_there_stays_so(tmp_path: Path) -> None:
    """One upsampler, which takes its last step itself, and no image encoder; in the place of another pipeline."""
    whole().to_diffusers(tmp_path)
    few = dict(image_encoder=None, upsamplers=(upsampler(),))
    nd.save_diffusers(whole(**few), tmp_path)
    found = UnCLIP.from_diffusers(tmp_path)
    assert (found.image_encoder, found.last_upsampler, len(found.upsamplers)) == (None, None, 1)


def test_a_folder_of_diffusers_own_says_neither_steps_nor_more_parts(copy: Path) -> None:
    edited(copy / INDEX, _upsamplers=None, _image_encoder=None)
    for chain in unclip_folder.CHAINS.values():
        edited(copy / chain.place / "scheduler_config.json", _num_inference_steps=None)
    found = UnCLIP.from_diffusers(copy)
    assert found.image_encoder is None
    assert len(found.upsamplers) == 1
    assert [getattr(found, name).steps for name in unclip_folder.CHAINS] == [25, 25, 7]


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        (dict(clip_sample=False), "clip", None),
        (dict(clip_sample_range=3.5), "clip", 3.5),
        (dict(variance_type="learned_range"), "variance", "learned"),
        (dict(variance_type=None), "variance", "beta_tilde"),
    ],
)
def test_what_a_scheduler_says_is_in_its_stage(
    changes: dict[str, Any], field: str, expected: Any, copy: Path
) -> None:
    edited(copy / "prior_scheduler" / "scheduler_config.json", **changes)
    assert getattr(unclip_folder.read(copy)["prior_stage"], field) == expected


def test_clip_s_tokenizer_reads_the_same_words(copy: Path, tmp_path: Path) -> None:
    (copy / "tokenizer" / "words.json").unlink()
    found = UnCLIP.from_diffusers(copy)
    assert isinstance(found.tokenizer, CLIPTokenizer)
    for name, value in found.prior.nothing.arguments().items():
        np.testing.assert_array_equal(value, whole().prior.nothing.arguments()[name])
    found.to_diffusers(tmp_path / "again")
    same_networks(UnCLIP.from_diffusers(tmp_path / "again"), whole())


# --- What is missing, foreign or cut


@pytest.mark.parametrize("part", unclip_folder.PARTS)
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    shutil.rmtree(copy / part)
    with pytest.raises(FileNotFoundError, match=f"found no {part}"):
        nd.load_diffusers(copy)


@pytest.mark.parametrize("part", ["upsampler_2", "image_encoder"])
def test_a_missing_part_of_our_own_is_named(copy: Path, part: str) -> None:
    shutil.rmtree(copy / part)
    with pytest.raises(FileNotFoundError, match=f"{part}: expected a folder in diffusers' layout, found no such"):
        nd.load_diffusers(copy)


@pytest.mark.parametrize(
    ("place", "changes", "message"),
    [
        (INDEX, dict(_class_name="UnCLIPImageVariationPipeline"), "_class_name: expected one of 'UnCLIPPipeline'"),
        (INDEX, dict(_upsamplers=0), "_upsamplers: expected an integer of at least 1, got 0"),
        (INDEX, dict(_upsamplers="2"), "_upsamplers: expected an integer of at least 1, got str"),
        (INDEX, dict(_image_encoder=1), "_image_encoder: expected a bool, got int"),
        ("prior_scheduler", dict(_class_name="DDPMScheduler"), "_class_name: expected one of 'UnCLIPScheduler'"),
        (
            "prior_scheduler",
            dict(prediction_type="epsilon"),
            "prediction_type: expected prediction 'x0', as the ",
        ),
        ("decoder_scheduler", dict(prediction_type="v_prediction"), "prediction_type: expected one of "),
        ("super_res_scheduler", dict(variance_type="fixed_small"), "variance_type: expected one of 'fixed_small_log"),
        ("super_res_scheduler", dict(clip_sample_range=-1.0), "clip_sample_range: expected a finite number of at"),
        ("super_res_scheduler", dict(_num_inference_steps=0), "_num_inference_steps: expected an integer in 1.."),
        ("super_res_scheduler", dict(_num_inference_steps=10**9), "_num_inference_steps: expected an integer in 1.."),
        ("decoder/config.json", dict(_class_name="UNet2DModel"), "_class_name: expected one of 'UNet2DConditionMod"),
        (
            "super_res_last/config.json",
            dict(_class_name="UNet2DConditionModel"),
            "expected one of 'UNet2DModel', got",
        ),
        ("text_encoder/config.json", dict(architectures=["CLIPTextModel"]), "architectures: expected one of 'CLIPTe"),
        ("text_proj/config.json", dict(_class_name="UNet2DModel"), "_class_name: expected one of 'UnCLIPTextProjMod"),
    ],
)
def test_what_is_foreign_is_named(place: str, changes: dict[str, Any], message: str, copy: Path) -> None:
    file = copy / place
    edited(file if file.is_file() else file / "scheduler_config.json", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        UnCLIP.from_diffusers(copy)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_an_index_that_promises_too_much_takes_no_time(copy: Path) -> None:
    edited(copy / INDEX, _upsamplers=10**15)
    with pytest.raises(FileNotFoundError, match="upsampler_3: expected a folder"):
        UnCLIP.from_diffusers(copy)


@pytest.mark.parametrize("part", ["prior", "super_res_last", "upsampler_2"])
def test_weights_cut_short_are_named(copy: Path, part: str) -> None:
    weights = copy / part / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{part}/diffusion_pytorch_model\.safetensors: .*got a file cut"):
        UnCLIP.from_diffusers(copy)


def test_an_encoder_that_does_not_know_the_tokenizer_s_words_is_named(copy: Path) -> None:
    nd.save_diffusers(text_encoder(vocab_size=5, eos_token_id=4), copy / "text_encoder")
    with pytest.raises(ValueError, match=r"copy: ids: expected numbers in 0\.\.4"):
        UnCLIP.from_diffusers(copy)


def test_parts_that_do_not_go_together_are_named(copy: Path) -> None:
    nd.save_diffusers(text_projection(clip_embeddings_dim=D + 1), copy / "text_proj")
    with pytest.raises(ValueError, match=f"text_projection: expected clip_embeddings_dim = {D}"):
        UnCLIP.from_diffusers(copy)


def test_a_folder_that_is_cut_short_has_no_index(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unclip_folder.unets, "write", full)
    with pytest.raises(OSError, match="No space left"):
        whole().to_diffusers(copy)
    with pytest.raises(FileNotFoundError, match=r"found no model_index\.json in it"):
        UnCLIP.from_diffusers(copy)


# --- What there is no place for


def shifted() -> Any:
    found = decoder()
    found.shift[:] = 1.0
    return found


def broken() -> Any:
    found = image_encoder()
    found.buffer[3] = np.nan
    return found


STAGES, COSINE = stages(), Schedule.cosine(T=100)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "shifted": (dict(decoder=shifted()), "decoder: model: expected shift 0 and scale 1"),
    "not finite": (dict(image_encoder=broken()), "model: .*expected finite values"),
    "float64": (dict(text_projection=text_projection(dtype=np.float64)), "model: expected float32 weights"),
    "no upsampler": (dict(upsamplers=()), "upsamplers: expected at least one, as UnCLIPPipeline has, got none"),
    "oblong": (
        dict(upsamplers=(upsampler(), upsampler(seed=7, sample_size=(32, 16)))),
        r"upsampler_2: sample_size: expected one number, .* got \(32, 16\)",
    ),
    "a variance that is fixed": (
        dict(decoder_stage=replace(STAGES["decoder_stage"], variance="beta_tilde")),
        "decoder_stage: expected variance 'learned', as UnCLIPPipeline has it, got 'beta_tilde'",
    ),
    "the larger variance": (
        dict(upsampler_stage=replace(STAGES["upsampler_stage"], variance="beta")),
        "upsampler_stage: variance: expected one of 'beta_tilde', 'learned', got str 'beta'",
    ),
    "another solver": (
        dict(prior_stage=replace(STAGES["prior_stage"], solver=Solver("ddim", "linspace"), variance="beta")),
        "prior_stage: solver: expected one that UnCLIPScheduler has",
    ),
    "another chain": (
        dict(prior_stage=replace(STAGES["prior_stage"], schedule=Schedule.linear(T=100))),
        "prior_stage: schedule: expected Schedule.cosine, as UnCLIPScheduler has it",
    ),
    "more places": (dict(prior=prior(num_embeddings=PLACES + 1)), f"prior: expected num_embeddings {PLACES}, as"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_files_have_no_place_for_is_refused_and_nothing_changes(name: str, copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    changes, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        whole(**changes).to_diffusers(copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "what"), [(dict(states=0.5), "states"), (dict(embedding=0.5), "embedding"), (dict(mask=1), "states")]
)
def test_a_prior_that_takes_another_text_for_none_is_refused(
    changes: dict[str, Any], what: str, tmp_path: Path
) -> None:
    found = whole()
    told = found.prior.nothing.arguments()
    for name, by in changes.items():
        told[name] = np.roll(told[name], by) if name == "mask" else told[name] + by
    found.prior.nothing = Condition(**told)
    with pytest.raises(ValueError, match=f"prior: expected nothing to be what the text encoder .*got another {what}"):
        found.to_diffusers(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_no_mask_shows_and_rounding_are_no_difference(tmp_path: Path) -> None:
    found = whole()
    told = found.prior.nothing.arguments()
    hidden = np.where(told["mask"][:, None], told["states"] * (1.0 + 1e-7), 3.0)
    found.prior.nothing = Condition(embedding=told["embedding"], states=hidden, mask=told["mask"])
    found.to_diffusers(tmp_path)


def test_networks_that_predict_x0_draw_the_same_once_read(tmp_path: Path) -> None:
    known = {name: replace(stage, prediction="x0") for name, stage in stages().items()}
    ours = whole(upsamplers=(nd.Upsampler(**upsampler().options),), **known)
    ours.to_diffusers(tmp_path)
    again = UnCLIP.from_diffusers(tmp_path)
    assert [getattr(again, name).prediction for name in known] == ["x0"] * 3
    np.testing.assert_array_equal(*(each("a red plane", seed=1, progress=False) for each in (ours, again)))
