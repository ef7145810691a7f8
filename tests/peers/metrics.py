"""Records what other tools say about small pairs of masks, for the tests of `evaluate-segmentation`.

    python3 -m venv peers && peers/bin/pip install -r tests/peers/requirements-evaluate.txt
    peers/bin/python tests/peers/metrics.py > tests/peers/metrics.tsv

One row a case, tool and metric. The masks are drawn by formulas that are exact in floating point; the rows `voxels`
say how many there are, so that whoever draws them again can tell. A tool that raises an error has `error` as its value.
"""

import sys
import warnings
from importlib.metadata import version

import numpy as np
import scipy.ndimage

warnings.filterwarnings("ignore")


def grid(shape, spacing):
    return np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, spacing)], indexing="ij")


def ball(places, centre, radius):
    return sum((p - c) ** 2 for p, c in zip(places, centre)) <= radius * radius


def one(shape, voxel):
    mask = np.zeros(shape, bool)
    mask[voxel] = True
    return mask


def cases():
    """name, spacing (x, y, z), reference, mask; arrays are [x][y][z]."""
    shape, spacing = (64, 64, 24), (0.5, 0.5, 2.5)
    at = grid(shape, spacing)
    reference = ball(at, (12, 16, 30), 9)
    mask = ball(at, (12.5, 16, 30), 8.5) | ball(at, (25, 16, 30), 4.5)
    mask[:3] = reference[:3]
    yield "lobe", spacing, reference, mask

    shape, spacing = (48, 48, 9), (0.5, 0.5, 5.0)
    at = grid(shape, spacing)
    reference, mask = ball(at, (12, 12, 20), 9), ball(at, (13, 12.5, 20), 8.5)
    mask[:, :, 4] = False
    mask[44:46, 44:46, 2] = True
    reference[23:26, 23:26, 4] = False
    yield "thick", spacing, reference, mask

    shape, spacing = (24, 64, 64), (2.5, 0.5, 0.5)
    at = grid(shape, spacing)
    yield "turned", spacing, ball(at, (30, 12, 16), 9), ball(at, (30, 12.5, 17), 9.5)

    shape, spacing = (20, 24, 10), (1.0, 1.0, 3.0)
    at = grid(shape, spacing)
    yield "cut", spacing, ball(at, (0, 4, 3), 8), ball(at, (1, 2, 0), 7)
    yield "nested", spacing, ball(at, (10, 12, 15), 8), one(shape, (10, 12, 5))
    yield "single", spacing, one(shape, (3, 4, 5)), one(shape, (6, 8, 5))
    yield "same", spacing, ball(at, (10, 12, 15), 7), ball(at, (10, 12, 15), 7)
    yield "apart", spacing, ball(at, (4, 4, 6), 3), ball(at, (15, 19, 24), 4)


def surface_distance(reference, mask, spacing):
    import surface_distance as sd

    found = sd.compute_surface_distances(reference, mask, spacing)
    a, b = sd.compute_average_surface_distance(found)
    yield "hd", sd.compute_robust_hausdorff(found, 100)
    yield "hd95", sd.compute_robust_hausdorff(found, 95)
    yield "mhd", max(a, b)
    yield "cmd", (a + b) / 2
    yield "surface_dice", sd.compute_surface_dice_at_tolerance(found, 1.0)
    yield "dice", sd.compute_dice_coefficient(reference, mask)


def medpy(reference, mask, spacing):
    from medpy.metric import binary

    yield "hd", binary.hd(mask, reference, spacing)
    yield "hd95", binary.hd95(mask, reference, spacing)
    yield "assd", binary.assd(mask, reference, spacing)
    yield "dice", binary.dc(mask, reference)


def simpleitk(reference, mask, spacing):
    import SimpleITK as sitk

    images = [sitk.GetImageFromArray(m.astype("uint8").transpose()) for m in (reference, mask)]
    for image in images:
        image.SetSpacing(spacing)
    hausdorff, overlap = sitk.HausdorffDistanceImageFilter(), sitk.LabelOverlapMeasuresImageFilter()
    hausdorff.Execute(*images)
    overlap.Execute(*images)
    yield "hd", hausdorff.GetHausdorffDistance()
    yield "cmd", hausdorff.GetAverageHausdorffDistance()
    yield "dice", overlap.GetDiceCoefficient()


def monai(reference, mask, spacing):
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_hausdorff_distance,
        compute_surface_dice,
    )

    y, p = (torch.from_numpy(np.ascontiguousarray(m)).float()[None, None] for m in (reference, mask))
    options = {"include_background": True, "spacing": spacing}
    yield "hd", compute_hausdorff_distance(p, y, **options)[0, 0].item()
    yield "hd95", compute_hausdorff_distance(p, y, percentile=95, **options)[0, 0].item()
    yield "assd", compute_average_surface_distance(p, y, symmetric=True, **options)[0, 0].item()
    yield "surface_dice", compute_surface_dice(p, y, class_thresholds=[1.0], **options)[0, 0].item()


def by_definition(points, of_distances):
    """The definition itself: every distance between two sets of points."""

    def tool(reference, mask, spacing):
        from scipy.spatial.distance import cdist

        g, p = (np.argwhere(points(m)) * np.array(spacing) for m in (reference, mask))
        d = cdist(g, p)
        yield from of_distances(d.min(1), d.min(0))

    return tool


def border6(m):
    return m & ~scipy.ndimage.binary_erosion(m)


def axial4(m):
    return m & ~scipy.ndimage.binary_erosion(m, np.ones((3, 3, 1)) * [[[0], [1], [0]], [[1], [1], [1]], [[0], [1], [0]]])


def everything(a, b):
    yield "hd", max(a.max(), b.max())
    yield "hd95", max(np.percentile(a, 95), np.percentile(b, 95))
    yield "mhd", max(a.mean(), b.mean())
    yield "cmd", (a.mean() + b.mean()) / 2
    yield "assd", np.r_[a, b].mean()
    yield "surface_dice", (np.r_[a, b] <= 1).mean()


def main():
    scipy_version = f"SciPy {version('scipy')}"
    tools = [
        (f"surface-distance {version('surface-distance')}", surface_distance),
        (f"MedPy {version('medpy')}", medpy),
        (f"SimpleITK {version('SimpleITK')}", simpleitk),
        (f"border6, every distance by {scipy_version}", by_definition(border6, everything)),
        (f"axial4, every distance by {scipy_version}", by_definition(axial4, everything)),
        (f"voxels, every distance by {scipy_version}", by_definition(lambda m: m, everything)),
    ]
    try:
        import torch  # noqa: F401

        tools.append((f"MONAI {version('monai')}", monai))
    except (ImportError, OSError, ValueError):
        print("MONAI needs PyTorch: not recorded", file=sys.stderr)
    print("case", "tool", "metric", "value", sep="\t")
    for case, spacing, reference, mask in cases():
        print(case, "reference", "voxels", reference.sum(), sep="\t")
        print(case, "mask", "voxels", mask.sum(), sep="\t")
        for name, tool in tools:
            try:
                for metric, value in tool(reference, mask, spacing):
                    print(case, name, metric, repr(float(value)), sep="\t")
            except Exception as error:
                print(case, name, type(error).__name__, "error", sep="\t")
                print(f"{case}: {name}: {error}", file=sys.stderr)


main()
