#!/usr/bin/env python3
"""Ichor's 3D U-Net in PyTorch: reads and writes Ichor's model files, and says how far the two are apart.

    python3 -m venv peers && peers/bin/pip install -r tests/peers/requirements-unet.txt
    peers/bin/python tests/peers/unet_model.py random thin.safetensors --width 8            # a model with random weights
    peers/bin/python tests/peers/unet_model.py export weights.pt card.json model.safetensors # a state dict as a model
    peers/bin/python tests/peers/unet_model.py import model.safetensors weights.pt           # and back
    peers/bin/python tests/peers/unet_model.py compare model.safetensors --ichor target/release/ichor

`compare` segments a volume of noise with PyTorch (f32, one piece) and with `segment-unet3d` and prints the largest
difference in probability and the Dice coefficient of the masks. Names of tensors: docs/models.md.
"""
import argparse, json, os, subprocess, sys, tempfile
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from safetensors import safe_open
from safetensors.torch import save_file


class Layer(nn.Module):
    def __init__(self, inputs, outputs, slope, epsilon):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3)
        self.norm = nn.BatchNorm3d(outputs, eps=epsilon)
        self.slope = slope

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), self.slope)


class Unet(nn.Module):
    """Patel et al., Scientific Reports 9 (2019): valid convolutions, so that the output is smaller than the input."""

    def __init__(self, inputs=1, outputs=2, width=32, depth=3, pool=(2, 2, 2), slope=0.01, epsilon=1e-5, dropout=0.0, **_):
        super().__init__()
        self.depth, self.pool, self.dropout = depth, tuple(reversed(pool)), dropout  # PyTorch's axes: z, y, x
        two = lambda a, b, c: nn.Sequential(Layer(a, b, slope, epsilon), Layer(b, c, slope, epsilon))
        for s in range(depth + 1):
            name = f"down{s}" if s < depth else "bottom"
            self.add_module(name, two(inputs if s == 0 else width << s, width << s, width << (s + 1)))
        for s in range(depth):
            c = width << (s + 1)
            self.add_module(f"up{s}", two(3 * c, c, c))
        self.output = nn.Conv3d(2 * width, outputs, 1)

    def forward(self, x):
        skips = []
        for s in range(self.depth):
            x = getattr(self, f"down{s}")(x)
            skips.append(x)
            x = F.max_pool3d(x, self.pool)
        for layer in self.bottom:
            x = F.dropout(layer(x), self.dropout, self.training)
        for s in reversed(range(self.depth)):
            x = F.interpolate(x, scale_factor=tuple(map(float, self.pool)), mode="nearest")
            skip = skips[s]
            cut = [(a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:])]
            skip = skip[(...,) + tuple(slice(c, c + n) for c, n in zip(cut, x.shape[2:]))]
            x = getattr(self, f"up{s}")(torch.cat([x, skip], 1))
        return self.output(x)


def card(width, pool, **network):
    return {
        "form": 1, "name": "random", "version": "0", "intended_use": "tests", "licence": "CC0-1.0",
        "network": {"kind": "unet3d-valid", "inputs": 1, "outputs": 2, "width": width, "depth": 3, "pool": list(pool),
                    "slope": 0.01, "epsilon": 1e-5, **network},
        "input": {"unit": "HU", "window": [-200.0, 200.0], "orientation": "LPS",
                  "spacing_mm": [[0.3, 1.0], [0.3, 1.0], [0.3, 1.0] if pool[2] == 2 else [2.5, 7.5]]},
        "classes": ["background", "haematoma"], "training": None,
    }


def save(net, card, path):
    tensors = {k: v.float().contiguous() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(tensors, path, metadata={"ichor": json.dumps(card)})


def load(path):
    with safe_open(path, "pt") as file:
        card = json.loads(file.metadata()["ichor"])
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    net = Unet(**{k: v for k, v in card["network"].items() if k != "kind"})
    have = net.state_dict()
    for name, value in have.items():
        # Without a bias in the file there is none; PyTorch counts batches, Ichor does not.
        tensors.setdefault(name, torch.zeros_like(value))
    net.load_state_dict(tensors)
    return net.eval(), card


def randomise(net, seed):
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            module.bias.data.uniform_(-0.1, 0.1, generator=generator)
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.uniform_(-0.1, 0.1, generator=generator)
            module.running_mean.uniform_(-0.1, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)


def predict(net, card, hu):
    """Probability of class 1 in the whole volume, air around it, as one piece."""
    low, high = card["input"]["window"]
    image = (np.clip(hu, low, high) - low) / (high - low)
    pool, depth = card["network"]["pool"][::-1], card["network"]["depth"]
    margin = [sum(4 * p**s for s in range(depth)) + 2 * p**depth for p in pool]
    # Outputs that are possible: p (p (p n - 4) - 4) - 4; the first voxel is the volume's first.
    def above(n, p):
        bottom = 1
        while True:
            out = bottom
            for _ in range(depth):
                out = out * p - 4
            if out >= n:
                return out
            bottom += 1
    sizes = [above(n, p) for n, p in zip(image.shape, pool)]
    padding = [(m, m + s - n) for m, s, n in zip(margin, sizes, image.shape)]
    with torch.inference_mode():
        scores = net(torch.from_numpy(np.pad(image, padding).astype(np.float32))[None, None])
        probability = torch.softmax(scores, 1)[0, 1].numpy()
    return probability[tuple(slice(0, n) for n in image.shape)]


def compare(path, ichor, precision):
    import nibabel
    net, card_ = load(path)
    spacing = [0.5 * (a + b) for a, b in card_["input"]["spacing_mm"]]
    rng = np.random.default_rng(1)
    hu = rng.normal(30, 60, (40, 52, 60)).astype(np.int16)  # z, y, x
    want = predict(net, card_, hu.astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])  # LPS
        nibabel.save(nibabel.Nifti1Image(np.transpose(hu, (2, 1, 0)), affine), f"{folder}/ct.nii.gz")
        with open(f"{folder}/p.yaml", "w") as file:
            json.dump({
                "ichor": 1, "name": "compare",
                "stages": {
                    "load": {"use": "load-nifti", "with": {"source": f"{folder}/ct.nii.gz", "unit": "HU"}},
                    "segment": {"use": "segment-unet3d", "in": {"ct": "load.image"},
                                "with": {"model": os.path.abspath(path), "device": "cpu", "precision": precision}}},
                "outputs": {"probability": "segment.probability", "mask": "segment.mask"}}, file)
        subprocess.run([ichor, "run", f"{folder}/p.yaml", "-o", f"{folder}/out"], check=True, stdout=subprocess.DEVNULL)
        read = lambda name: np.transpose(np.asarray(nibabel.load(f"{folder}/out/{name}.nii.gz").dataobj), (2, 1, 0))
        got, mask = read("probability"), read("mask")
    worst = float(np.abs(got - want).max())
    truth = want >= 0.5
    dice = 2 * np.logical_and(truth, mask).sum() / max(truth.sum() + mask.sum(), 1)
    print(f"{precision}: largest difference in probability {worst:.2e}, Dice of the masks {dice:.6f}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="what", required=True)
    one = sub.add_parser("random")
    one.add_argument("model")
    one.add_argument("--width", type=int, default=8)
    one.add_argument("--thick", action="store_true")
    one.add_argument("--seed", type=int, default=1)
    one = sub.add_parser("export")
    for name in ("weights", "card", "model"):
        one.add_argument(name)
    one = sub.add_parser("import")
    one.add_argument("model"), one.add_argument("weights")
    one = sub.add_parser("compare")
    one.add_argument("model"), one.add_argument("--ichor", default="target/release/ichor")
    one.add_argument("--precision", default="f32,bf16")
    args = parser.parse_args()
    if args.what == "random":
        the_card = card(args.width, (2, 2, 1) if args.thick else (2, 2, 2))
        net = Unet(**the_card["network"])
        randomise(net, args.seed)
        save(net, the_card, args.model)
    elif args.what == "export":
        the_card = json.load(open(args.card))
        net = Unet(**the_card["network"])
        state = torch.load(args.weights, map_location="cpu", weights_only=True)
        missing, extra = net.load_state_dict(state, strict=False)
        # A bias before batch normalisation may be left out.
        missing = [m for m in missing if not m.endswith(("conv.bias", "num_batches_tracked"))]
        if missing or extra:
            sys.exit(f"not the card's network: {missing} are missing, {extra} are too much")
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv3d) and f"{name}.bias" not in state:
                module.bias.data.zero_()
        save(net, the_card, args.model)
    elif args.what == "import":
        net, _ = load(args.model)
        torch.save(net.state_dict(), args.weights)
    else:
        worst = [compare(args.model, args.ichor, p) for p in args.precision.split(",")]
        sys.exit(worst[0] > 1e-4)


if __name__ == "__main__":
    main()
