"""Writes a small 3D network as ONNX, a CT, and what the network says about it, for the tests of the plugin `onnx`.

The network has what those of nnU-Net have: strided convolutions, instance norm, leaky ReLU, a transposed convolution
and a skip. Weights are random with a fixed seed. Packages: requirements-onnx.txt.

The sliding window below is written after nnU-Net v2 (`sliding_window_prediction.py`: places of the patches, Gaussian
weights, mirroring, mean of logits) with SciPy's own Gaussian, and shares nothing with the plugin.

Usage: onnx_model.py FOLDER   writes small.onnx, fixed.onnx and expected.json
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

PATCH = (8, 12, 16)  # in the order of the tensor's dimensions
SHAPE = (13, 20, 27)  # of the image, in the same order


class Small(nn.Module):
    def __init__(self, width: int = 3, classes: int = 3):
        super().__init__()

        def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv3d(inputs, outputs, 3, stride, 1),
                nn.InstanceNorm3d(outputs, affine=True),
                nn.LeakyReLU(0.01),
            )

        self.first = block(1, width, 1)
        self.down = block(width, 2 * width, 2)
        self.up = nn.ConvTranspose3d(2 * width, width, 2, 2)
        self.last = block(2 * width, width, 1)
        self.head = nn.Conv3d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.first(x)
        return self.head(self.last(torch.cat([self.up(self.down(skip)), skip], 1)))


def export(path: Path, dynamic: bool) -> None:
    torch.manual_seed(20)
    net = Small().eval()
    with torch.no_grad():  # logits far enough apart for probabilities of all sizes
        net.head.weight.mul_(8)
    axes = {"image": {2: "d", 3: "h", 4: "w"}, "logits": {2: "d", 3: "h", 4: "w"}} if dynamic else None
    torch.onnx.export(
        net,
        (torch.zeros(1, 1, *PATCH),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        opset_version=17,
        dynamic_axes=axes,
        dynamo=False,
    )
    onnx.checker.check_model(str(path))


def image() -> np.ndarray:
    """HU of a CT, a formula of the index so that nothing has to be stored; array[d, h, w]."""
    n = np.arange(np.prod(SHAPE), dtype=np.int64)
    return ((n * n * 7 + n * 31) % 211 - 60).astype(np.float32).reshape(SHAPE)


def starts(n: int, patch: int, step: float) -> list[int]:
    steps = int(np.ceil((n - patch) / (patch * step))) + 1
    each = (n - patch) / (steps - 1) if steps > 1 else 1e10
    return [int(np.round(each * i)) for i in range(steps)]


def importance(gaussian: bool) -> np.ndarray:
    if not gaussian:
        return np.ones(PATCH)
    one = np.zeros(PATCH)
    one[tuple(p // 2 for p in PATCH)] = 1
    weight = gaussian_filter(one, [p / 8 for p in PATCH], 0, mode="constant", cval=0)
    weight /= weight.max()
    weight[weight == 0] = weight[weight != 0].min()
    return weight


def sliding(session, data: np.ndarray, overlap: float, gaussian: bool, mirror: list[int]) -> np.ndarray:
    more = [max(p - n, 0) for p, n in zip(PATCH, data.shape)]
    padded = np.pad(data, [(m // 2, m - m // 2) for m in more])
    weight = importance(gaussian)
    total, weights = None, np.zeros(padded.shape)
    flips = [f for n in range(len(mirror) + 1) for f in itertools.combinations(mirror, n)]
    places = [starts(n, p, 1 - overlap) for n, p in zip(padded.shape, PATCH)]
    for place in itertools.product(*places):
        window = tuple(slice(s, s + p) for s, p in zip(place, PATCH))
        logits = 0
        for flip in flips:
            x = np.flip(padded[window], flip)[None, None]
            y = session.run(None, {"image": np.ascontiguousarray(x)})[0][0].astype(np.float64)
            logits = logits + np.flip(y, [a + 1 for a in flip])
        if total is None:
            total = np.zeros((logits.shape[0], *padded.shape))
        total[(slice(None), *window)] += weight * logits / len(flips)
        weights[window] += weight
    inner = tuple(slice(m // 2, m // 2 + n) for m, n in zip(more, data.shape))
    return (total / weights)[(slice(None), *inner)]


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(0))
    return e / e.sum(0)


def main() -> None:
    folder = Path(sys.argv[1])
    export(folder / "small.onnx", dynamic=True)
    export(folder / "fixed.onnx", dynamic=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(str(folder / name), options, ["CPUExecutionProvider"])
        for name in ["small.onnx", "fixed.onnx"]
    }
    data = np.clip(image(), -20, 100)
    zscore = ((data - 35) / np.float32(22.5)).astype(np.float32)
    unit = ((data + 20) / np.float32(120)).astype(np.float32)
    crop = np.ascontiguousarray(zscore[:, :9, :])  # smaller than the patch along one axis
    cases = []
    # Every 37th voxel: enough to find anything misplaced, and a small file.
    for name, model, scale, values, overlap, gaussian, mirror, activation in [
        ("gaussian", "small.onnx", "zscore", zscore, 0.5, True, [], "softmax"),
        ("constant", "fixed.onnx", "unit", unit, 0.25, False, [], "softmax"),
        ("mirror", "small.onnx", "zscore", zscore, 0.5, True, [0, 2], "softmax"),
        ("sigmoid", "fixed.onnx", "zscore", zscore, 0.75, True, [], "sigmoid"),
        ("padded", "small.onnx", "zscore", crop, 0.5, True, [], "softmax"),
    ]:
        logits = sliding(sessions[model], values, overlap, gaussian, mirror)
        found = softmax(logits)[1] if activation == "softmax" else 1 / (1 + np.exp(-logits[1]))
        cases.append(
            {
                "name": name,
                "model": model,
                "scale": scale,
                "shape": values.shape,
                "overlap": overlap,
                "blending": "gaussian" if gaussian else "constant",
                "mirror": mirror,
                "activation": activation,
                "argmax_voxels": int((logits.argmax(0) == 1).sum()),
                "half_voxels": int((found >= 0.5).sum()),
                "sum": float(found.sum()),
                "every_37th": [round(float(v), 7) for v in found.ravel()[::37]],
            }
        )
    versions = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__, "onnx": onnx.__version__}
    text = json.dumps({"written_by": "tests/peers/onnx_model.py", "versions": versions, "cases": cases})
    (folder / "expected.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
