"""Noise inside inserted haematomas beside that of the brain around them, in one table.

    ichor run pipelines/insert-haematoma.yaml -i ct=HEAD.nii.gz -o OUT --keep cavity.mask
    python tests/peers/inserted_noise.py HEAD.nii.gz OUT

Noise is what a Gaussian of 1.6 mm within the slice takes away; a step is one voxel along i, j or k. Needs numpy, scipy, nibabel.
"""

import glob
import sys

import nibabel
import numpy as np
from scipy import ndimage as ndi

head, out = sys.argv[1:]
image = nibabel.load(head)
spacing = np.array(image.header.get_zooms()[:3])
through = int(spacing.argmax())
sigma = [0 if a == through else 1.6 / spacing[a] for a in range(3)]
before = np.asarray(image.dataobj).astype(np.float32)
cavity = np.asarray(nibabel.load(f"{out}/cavity-mask.nii.gz").dataobj) > 0
weight = cavity.astype(np.float32)
total = np.maximum(ndi.gaussian_filter(weight, sigma), 1e-3)


def smoothed(x):
    return ndi.gaussian_filter(np.clip(x, -20, 100) * weight, sigma) / total


def noise(x, low, where):
    """Standard deviation, and correlation with the next voxel along each axis."""
    high = x - low
    values = high[where]
    values = values[np.abs(values) < 4 * values.std()]
    lags = []
    for axis in range(3):
        pair = np.roll(where, -1, axis) & where
        lags.append((high[pair] * np.roll(high, -1, axis)[pair]).mean() / (high[where] ** 2).mean())
    return f"{values.std():.2f} ({lags[0]:.2f} {lags[1]:.2f} {lags[2]:.2f})"


low = smoothed(before)
slopes = [np.gradient(low, spacing[a], axis=a) for a in range(3) if a != through]
depth = ndi.distance_transform_edt(cavity, sampling=spacing)
clean = cavity & (depth > 5) & (low > 16) & (low < 50) & (sum(s**2 for s in slopes) < 1.44)
print("| haematoma | mean of the core, HU | noise in the core, HU (correlation i j k) | around, before | around, after |")
print("|---|---|---|---|---|")
for path in sorted(glob.glob(f"{out}/ct-*.nii.gz")):
    after = np.asarray(nibabel.load(path).dataobj).astype(np.float32)
    blood = np.asarray(nibabel.load(path.replace("/ct-", "/haematoma-")).dataobj) > 0
    flat = spacing.copy()
    flat[through] = 1e3
    core = ndi.distance_transform_edt(blood, sampling=flat) > 2.5
    core &= np.roll(blood, 1, through) & np.roll(blood, -1, through)
    if core.sum() < 3000:
        continue
    distance = ndi.distance_transform_edt(~blood, sampling=spacing)
    others = tuple(a for a in range(3) if a != through)
    ring = clean & (distance > 3) & (distance < 25) & blood.any(axis=others, keepdims=True)
    cells = [noise(after, smoothed(after), core), noise(before, low, ring), noise(after, smoothed(after), ring)]
    name = path.split("/ct-")[1].removesuffix(".nii.gz")
    print(f"| {name} | {after[core].mean():.1f} | " + " | ".join(cells) + " |")
