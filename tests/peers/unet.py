"""The 3D U-Net engine (plugins/cnn/unet) beside PyTorch: the same random weights, the same input.

    cargo build --release -p ichor-unet --example exchange --example speed
    python tests/peers/unet.py EXCHANGE accuracy [f32]
    python tests/peers/unet.py EXCHANGE speed [edge of the input, 124] [thin|thick] [f32|bf16] [how ...]
    cargo build --release -p ichor-unet-training --example training_step
    python tests/peers/unet.py TRAINING_STEP step [width, 8] [thin|thick] [X,Y,Z, 124,124,124] [how ...]

EXCHANGE is the built example (target/release/examples/exchange). `accuracy` prints the largest difference of the
probabilities, thin and thick, and, unless only f32 is asked for, that of either side's bfloat16 against f64. `speed` prints seconds, best of
three after one run to warm up, on two threads, GFLOP/s as the paper writes the network, and their share of the peak that the
example `speed`, built beside it, measures; over 100 % is work that was spared. PyTorch runs with batch normalisation folded, in-place activation
and inference mode; how: plain, last (channels_last_3d), compile (torch.compile), compile-last; default plain, last.
`step` prints seconds of a training step: forward, cross-entropy, backward, Nesterov's step, the tools in turns, best of
six after one; how also with bf16- in front (autocast).
"""

import os
import re
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

THREADS = 2
SLOPE = 0.01
torch.set_num_threads(THREADS)


class Block(nn.Module):
    """3 x 3 x 3 convolution, batch normalisation, leaky ReLU."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x):
        x = self.conv(x)
        return functional.leaky_relu(x if self.norm is None else self.norm(x), SLOPE, inplace=True)

    def fold(self):
        self.conv = nn.utils.fuse_conv_bn_eval(self.conv, self.norm)
        self.norm = None


class UNet(nn.Module):
    def __init__(self, width=32, depth=3, pool=(2, 2, 2)):
        super().__init__()
        self.pool, self.depth = pool[::-1], depth  # PyTorch's order is z, y, x
        self.blocks = nn.ModuleList()
        for s in range(depth + 1):
            first = 1 if s == 0 else width << s
            self.blocks += [Block(first, width << s), Block(width << s, width << (s + 1))]
        for s in reversed(range(depth)):
            c = width << (s + 1)
            self.blocks += [Block(2 * c + c, c), Block(c, c)]
        self.output = nn.Conv3d(2 * width, 2, 1)

    def forward(self, x):
        blocks, skips = iter(self.blocks), []
        for s in range(self.depth + 1):
            x = self.two(blocks, x)
            if s < self.depth:
                skips.append(x)
                x = functional.max_pool3d(x, self.pool)
        for skip in reversed(skips):
            x = functional.interpolate(x, scale_factor=[float(p) for p in self.pool], mode="nearest")
            at = [(a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:])]
            z, y, w = (slice(a, a + n) for a, n in zip(at, x.shape[2:]))
            x = self.two(blocks, torch.cat([x, skip[:, :, z, y, w]], 1))
        return torch.softmax(self.output(x).float(), 1)[:, 1:]

    @staticmethod
    def two(blocks, x):
        x = next(blocks)(x)
        return next(blocks)(x)

    def numbers(self):
        """What the exchange example reads."""
        parts = []
        for block in self.blocks:
            norm = block.norm
            parts += [block.conv.weight, block.conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var]
        parts += [self.output.weight, self.output.bias]
        return numpy.concatenate([p.detach().numpy().astype("<f4").ravel() for p in parts])


def random_net(pool, width=32):
    """Weights that keep the signal's size; statistics near those of a trained network; probabilities away from 0, 1."""
    torch.manual_seed(1)
    net = UNet(width, pool=pool).eval()
    with torch.no_grad():
        for block in net.blocks:
            nn.init.kaiming_normal_(block.conv.weight, nonlinearity="leaky_relu")
            block.norm.weight.uniform_(0.8, 1.2)
            block.norm.bias.uniform_(-0.1, 0.1)
            block.norm.running_mean.uniform_(-0.1, 0.1)
            block.norm.running_var.uniform_(0.8, 1.2)
        # The size of the logits is then about one over an input of blurred noise.
        x = image([100, 100, 100 if pool[2] == 2 else 40])
        for _ in range(2):
            features = {}
            hook = net.output.register_forward_hook(lambda m, i, o: features.update(o=o))
            net(x)
            hook.remove()
            logits = features["o"]
            margin = (logits[:, 1] - logits[:, 0]).float()
            net.output.weight /= margin.std()
            net.output.bias[1] -= margin.mean() / margin.std()
    return net


def image(shape):
    """Smooth structure and noise in [0, 1], shape x, y, z; a tensor 1, 1, z, y, x."""
    generator = torch.Generator().manual_seed(2)
    size = [1, 1, *shape[::-1]]
    coarse = torch.rand([1, 1, *[max(2, n // 6) for n in shape[::-1]]], generator=generator)
    smooth = functional.interpolate(coarse, size=size[2:], mode="trilinear")
    return (0.8 * smooth + 0.2 * torch.rand(size, generator=generator)).contiguous()


class Exchange:
    def __init__(self, path):
        self.path = path
        self.folder = tempfile.mkdtemp(prefix="unet-")

    def run(self, net, x, precision, pool, repeat=1, isa=None):
        names = {n: os.path.join(self.folder, n) for n in ("weights", "input", "output")}
        net.numbers().tofile(names["weights"])
        x.numpy().astype("<f4").tofile(names["input"])
        shape = ",".join(str(n) for n in x.shape[:1:-1])
        command = [self.path, *(f"{k}={v}" for k, v in names.items()), f"shape={shape}", f"precision={precision}"]
        command += [f"pool={pool}", f"threads={THREADS}", f"repeat={repeat}"] + ([f"isa={isa}"] if isa else [])
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return numpy.fromfile(names["output"], "<f4"), [float(line) for line in printed.split()]


    def speed(self, shape, precision, pool):
        """What the example `speed` says of this shape."""
        size = ",".join(str(n) for n in shape)
        command = [os.path.join(os.path.dirname(self.path), "speed"), f"shape={size}", f"precision={precision}"]
        command += [f"pool={pool}", f"threads={THREADS}", "repeat=1"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return next(line for line in printed.splitlines() if line.startswith("["))


def count_flops(net, x):
    """Multiplications and additions of the convolutions as they are written."""
    total, hooks = [0], []

    def count(conv, _, out):
        total[0] += 2 * out.numel() * conv.in_channels * conv.kernel_size[0] ** 3

    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            hooks.append(module.register_forward_hook(count))
    with torch.inference_mode():
        net(x)
    for hook in hooks:
        hook.remove()
    return total[0]


class Step:
    """A training step of PyTorch: one patch, cross-entropy, stochastic gradient descent with Nesterov momentum."""

    def __init__(self, width, pool, shape, how):
        self.half, how = how.startswith("bf16-"), how.removeprefix("bf16-")
        layout = torch.channels_last_3d if how.endswith("last") else torch.contiguous_format
        net = UNet(width, pool=POOLS[pool]).train().to(memory_format=layout)
        self.optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        self.net = torch.compile(net) if how.startswith("compile") else net
        self.x = torch.full([1, 1, *shape[::-1]], 0.5).to(memory_format=layout)

    def seconds(self):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            p = self.net(self.x)
        loss = -p.clamp_min(1e-6).log().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return time.perf_counter() - start


def step(binary, width="8", pool="thin", size="124,124,124", *hows):
    shape = [int(n) for n in size.split(",")]
    steps = {how: Step(int(width), pool, shape, how) for how in hows or ("plain", "last", "bf16-plain", "bf16-last")}
    seconds = {name: [] for name in ("ours", *steps)}
    for turn in range(7):
        command = [binary, width, pool, size, "2", str(THREADS)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds["ours"].append(float(printed.splitlines()[-1].split()[0]))
        for how, one in steps.items():
            seconds[how].append(one.seconds())
    ours = min(seconds["ours"][1:])
    print(f"width {width} {pool} {shape}, PyTorch {torch.__version__}, {THREADS} threads, f32 unless bf16 is said")
    for name, times in seconds.items():
        print(f"  {name}: {min(times[1:]):.3f} s, {min(times[1:]) / ours:.2f} x ours", flush=True)


POOLS = {"thin": (2, 2, 2), "thick": (2, 2, 1)}


def accuracy(exchange, *precisions):
    for pool, shape in (("thin", [100, 92, 108]), ("thick", [100, 108, 36])):
        net, x = random_net(POOLS[pool]), image(shape)
        with torch.inference_mode():
            reference = net(x).numpy().ravel()
            double = net.double()(x.double()).numpy().ravel()
            net.float()
        spread = f"probabilities {reference.min():.3f} to {reference.max():.3f}"
        ours, _ = exchange.run(net, x, "f32", pool)
        off = lambda a, b: f"{abs(a - b).max():.2e} (mean {abs(a - b).mean():.1e})"
        dice = lambda a, b: 2 * ((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5).sum() + (b > 0.5).sum())
        print(f"{pool} {shape}, {spread}")
        print(f"  f32:  ours - PyTorch {off(ours, reference)}; from f64: ours {off(ours, double)}, "
              f"PyTorch {off(reference, double)}", flush=True)
        if precisions and "bf16" not in precisions:
            continue
        half, _ = exchange.run(net, x, "bf16", pool)
        with torch.inference_mode():
            for block in net.blocks:
                block.fold()
            torch_half = net.bfloat16()(x.bfloat16()).float().numpy().ravel()
        print(f"  bf16: from f64: ours {off(half, double)}, Dice {dice(half, double):.5f}; "
              f"PyTorch {off(torch_half, double)}, Dice {dice(torch_half, double):.5f}", flush=True)


def speed(exchange, edge=124, pool="thin", precision="f32", *hows):
    edge = int(edge)
    shape = [edge, edge, edge if pool == "thin" else 40]
    net, x = random_net(POOLS[pool]), image(shape)
    flops = count_flops(net, x)
    _, seconds = exchange.run(net, x, precision, pool, repeat=4)
    ours = min(seconds[1:])
    told = exchange.speed(shape, precision, pool)
    peak = float(re.search(r"of the peak ([0-9]+)", told).group(1))
    rate = lambda s: f"{s:.3f} s, {flops / s / 1e9:.0f} GFLOP/s, {flops / s / 1e9 / peak:.0%} of the peak {peak:.0f}"
    print(f"{pool} {shape} {precision}, {flops / 1e9:.0f} GFLOP\n  ours: {rate(ours)}\n    {told}", flush=True)
    for block in net.blocks:
        block.fold()
    if precision == "bf16":
        net, x = net.bfloat16(), x.bfloat16()
    for how in hows or ("plain", "last"):
        net = net.to(memory_format=torch.channels_last_3d if how.endswith("last") else torch.contiguous_format)
        run = torch.compile(net) if how.startswith("compile") else net
        y = x.to(memory_format=torch.channels_last_3d) if how.endswith("last") else x
        with torch.inference_mode():
            times = []
            for _ in range(4 if edge < 160 else 2):
                start = time.perf_counter()
                run(y)
                times.append(time.perf_counter() - start)
        print(f"  PyTorch {torch.__version__} {how}: {rate(min(times[1:]))}, {min(times[1:]) / ours:.2f} x ours", flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "step":
        step(sys.argv[1], *sys.argv[3:])
    else:
        {"accuracy": accuracy, "speed": speed}[sys.argv[2]](Exchange(sys.argv[1]), *sys.argv[3:])
