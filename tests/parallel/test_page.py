"""docs/clusters.md: its code runs on a real cluster, with fewer points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import pages
from checks.dask_arrays import SCHEDULE, digest, network

import numpy_diffusion as nd

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"


@pytest.mark.parametrize("client", [1], indirect=True)
def test_its_code_runs(client: Any, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    laptop, drawing, measuring, _ = pages.blocks(PAGE, "python")
    assert "client = Client(" in laptop
    assert "10_000_000" in drawing
    model, n = network(), 5000
    found: dict[str, Any] = {"client": client, "model": model, "schedule": SCHEDULE}
    exec(drawing.replace("10_000_000", str(n)).replace("/data", str(tmp_path)) + measuring, found)
    x = nd.sample(model, SCHEDULE, n)
    assert digest(zarr.open(tmp_path / "samples.zarr", mode="r")[:]) == digest(x)
    assert digest(found["log_p"]) == digest(nd.log_prob(model, SCHEDULE, x[:4096]))
    bound = nd.bound(model, SCHEDULE, x[:4096])
    np.testing.assert_allclose([found["nats"], found["error"]], [bound.total, bound.total_error], rtol=1e-12)
