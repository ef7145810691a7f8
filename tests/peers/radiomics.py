"""Measures a 50 mL haematoma on 512 x 512 x 400 voxels with Ichor, pyradiomics and scikit-image, side by side.

    cargo build --release --workspace && cargo build --release -p ichor-tests --example radiomics
    peers/bin/python tests/peers/radiomics.py target/release/examples/radiomics [RUNS] [FOLDER]

Python packages: requirements-radiomics.txt. Each run is a process of its own; the tools take turns; the median of RUNS (5)
counts, slow tools have 3 at most. Timed is the work alone, with both images in memory: CPU seconds for the other tools, and seconds of
the clock on one thread for Ichor, which are never fewer. Peak memory is that of the whole process (ru_maxrss), both images
included. pyradiomics spends most of its time on the whole image whatever is measured, so it is also given both images cut
to the box around the haematoma.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPACING = (0.43, 0.43, 0.45)
SHAPE = (512, 512, 400)
CLASSES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")

# pyradiomics' names of features with the same definition, by family.
SAME = {
    "glcm": {
        "JointEntropy": "joint_entropy", "Contrast": "contrast", "Correlation": "correlation", "Idm": "inverse_difference_moment",
        "Id": "inverse_difference", "ClusterShade": "cluster_shade", "ClusterProminence": "cluster_prominence",
        "JointAverage": "joint_average", "SumEntropy": "sum_entropy", "DifferenceEntropy": "difference_entropy",
        "JointEnergy": "angular_second_moment", "Imc1": "information_correlation_1", "Imc2": "information_correlation_2",
        "MaximumProbability": "joint_maximum", "InverseVariance": "inverse_variance", "Autocorrelation": "autocorrelation",
        "DifferenceAverage": "difference_average", "DifferenceVariance": "difference_variance", "SumSquares": "joint_variance",
        "ClusterTendency": "cluster_tendency",
    },
    "glrlm": {
        "ShortRunEmphasis": "short_runs_emphasis", "LongRunEmphasis": "long_runs_emphasis", "RunEntropy": "run_entropy",
        "GrayLevelNonUniformity": "grey_level_non_uniformity", "RunLengthNonUniformity": "run_length_non_uniformity",
        "RunPercentage": "run_percentage", "RunVariance": "run_length_variance", "GrayLevelVariance": "grey_level_variance",
        "LongRunHighGrayLevelEmphasis": "long_run_high_grey_level_emphasis",
    },
    "glszm": {
        "SmallAreaEmphasis": "small_zone_emphasis", "LargeAreaEmphasis": "large_zone_emphasis", "ZoneEntropy": "zone_size_entropy",
        "ZonePercentage": "zone_percentage", "ZoneVariance": "zone_size_variance", "GrayLevelVariance": "grey_level_variance",
        "SizeZoneNonUniformity": "zone_size_non_uniformity",
    },
    "ngtdm": {n: n.lower() for n in ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")},
    "gldm": {
        "DependenceEntropy": "dependence_count_entropy", "DependenceVariance": "dependence_count_variance",
        "SmallDependenceEmphasis": "low_dependence_emphasis", "LargeDependenceEmphasis": "high_dependence_emphasis",
        "DependenceNonUniformity": "dependence_count_non_uniformity", "GrayLevelVariance": "grey_level_variance",
    },
    "firstorder": {
        "Mean": "mean_intensity", "Variance": "intensity_variance", "Skewness": "intensity_skewness", "Median": "median_intensity",
        "10Percentile": "10th_intensity_percentile", "90Percentile": "90th_intensity_percentile",
        "InterquartileRange": "intensity_interquartile_range", "RootMeanSquared": "root_mean_square_intensity",
        "MeanAbsoluteDeviation": "intensity_based_mean_absolute_deviation", "Energy": "intensity_based_energy",
        "RobustMeanAbsoluteDeviation": "intensity_based_robust_mean_absolute_deviation",
    },
    "shape": {
        "MeshVolume": "volume_mesh", "VoxelVolume": "volume_voxel_counting", "SurfaceArea": "surface_area_mesh",
        "Sphericity": "sphericity", "Maximum3DDiameter": "maximum_3d_diameter", "Elongation": "elongation",
        "Flatness": "flatness", "MajorAxisLength": "major_axis_length",
    },
}
FAMILY = {"gldm": "ngldm", "firstorder": "stat", "shape": "morph"}


def make(folder):
    import nibabel
    import numpy as np

    x, y, z = np.meshgrid(*[np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, SPACING)], indexing="ij", sparse=True)
    d = [a - c for a, c in zip((x, y, z), (129, 107.5, 90))]
    r = np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
    theta, phi = np.arctan2(d[1], d[0]), np.arccos(np.clip(d[2] / np.maximum(r, 1e-6), -1, 1))
    shape = 1 + 0.18 * np.sin(5 * theta) * np.sin(phi) ** 3 + 0.12 * np.cos(4 * phi)
    mask = r < 22.66 * (shape + 0.08 * np.sin(9 * theta + 3 * phi) * np.sin(phi) ** 2)
    ct = np.random.default_rng(7).normal(30, 6, SHAPE).astype(np.float32) + 40 * mask
    # Correlated in places, as a clot is: runs and zones of one voxel would be a special case.
    ct[mask] += (6 * np.sin(x / 3) * np.sin(y / 4) * np.sin(z / 5))[mask]
    # pyradiomics' bins begin at multiples of their width: the same as Ichor's if the lowest intensity is one.
    ct[mask] = ct[mask].clip(40, 110)
    for name, data in (("ct", ct.astype(np.int16)), ("mask", mask.astype(np.uint8))):
        nibabel.save(nibabel.Nifti1Image(np.asfortranarray(data), np.diag([*SPACING, 1.0])), folder / f"{name}.nii")


def cpu():
    return time.process_time()


def extent(mask):
    """First voxel and size of the box around a mask, two voxels wider on every side."""
    import SimpleITK as sitk

    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    b = shape.GetBoundingBox(1)
    return [v - 2 for v in b[:3]], [v + 4 for v in b[3:]]


def peer(tool, folder):
    if tool == "scikit-image shape":
        import nibabel
        import numpy as np
        from scipy.spatial import ConvexHull
        from skimage.measure import marching_cubes, mesh_surface_area

        mask = np.asarray(nibabel.load(folder / "mask.nii").dataobj)
        start = cpu()
        where = np.argwhere(mask)
        low, high = where.min(0) - 1, where.max(0) + 2
        box = mask[tuple(slice(a, b) for a, b in zip(low, high))].astype(np.float32)
        v, f, _, _ = marching_cubes(box, 0.5, spacing=SPACING)
        t = v[f].astype(np.float64)
        volume = abs(np.einsum("ij,ij->i", t[:, 0], np.cross(t[:, 1], t[:, 2])).sum() / 6)
        out = {"MeshVolume": volume, "SurfaceArea": mesh_surface_area(v, f), "hull": ConvexHull(v).volume}
        out = {f"shape_{k}": float(v) for k, v in out.items()}
        return {"seconds": cpu() - start, "found": out}
    sys.path.pop(0)  # this file has the name of pyradiomics' package
    import radiomics
    import SimpleITK as sitk
    from radiomics import featureextractor

    radiomics.setVerbosity(60)
    ct, mask = (sitk.ReadImage(str(folder / f"{name}.nii")) for name in ("ct", "mask"))
    extractor = featureextractor.RadiomicsFeatureExtractor(binWidth=5, symmetricalGLCM=True)
    extractor.disableAllFeatures()
    for name in ("shape",) if "shape" in tool else CLASSES:
        extractor.enableFeatureClassByName(name)
    if "cropped" in tool:
        low, size = extent(mask)
        ct, mask = (sitk.RegionOfInterest(image, size, low) for image in (ct, mask))
    start = cpu()
    found = extractor.execute(ct, mask)
    seconds = cpu() - start
    return {"seconds": seconds, "found": {k[9:]: float(v) for k, v in found.items() if k.startswith("original_")}}


def run(command):
    """What a process says, and its peak memory in MiB."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env={**os.environ, "CARGO": "true"})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{command} ended with {child.returncode}")
        out.seek(0)
        return json.loads(out.read().splitlines()[-1]), usage.ru_maxrss / 1024


AGGREGATIONS = ("2D averaged", "2D slice-merged", "2.5D direction-merged", "2.5D merged", "3D averaged", "3D merged")


def main():
    binary, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp())
    if not (folder / "mask.nii").exists():
        subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)
    images = [str(folder / f"{name}.nii") for name in ("ct", "mask")]
    jobs = {
        "Ichor shape": ([binary, *images, "morphology", "3D averaged"], runs),
        "Ichor texture": ([binary, *images, "texture", "3D averaged"], runs),
    }
    for tool in (
        "pyradiomics shape", "pyradiomics shape, cropped before", "pyradiomics texture", "pyradiomics texture, cropped before",
        "scikit-image shape",
    ):
        jobs[tool] = [sys.executable, __file__, "--peer", tool, str(folder)], min(runs, 3)
    seen = {name: [] for name in jobs}
    for n in range(runs):
        for name, (command, times) in jobs.items():
            if n < times:
                seen[name].append(run(command))
    found = {name: results[0][0]["found"] for name, results in seen.items()}
    median = {name: statistics.median(r[0]["seconds"] for r in results) for name, results in seen.items()}
    print("| tool | seconds | lowest to highest | times Ichor's | peak memory, MiB |\n|---|---|---|---|---|")
    for name, results in seen.items():
        s = sorted(r[0]["seconds"] for r in results)
        ours = median["Ichor texture" if "texture" in name else "Ichor shape"]
        times = "" if name.startswith("Ichor") else f"{median[name] / ours:.0f}"
        peak = statistics.median(r[1] for r in results)
        print(f"| {name} | {median[name]:.3f} | {s[0]:.3f} to {s[-1]:.3f} | {times} | {peak:.0f} |")
    print("\n| feature | Ichor | pyradiomics | relative difference |\n|---|---|---|---|")
    same, worst = 0, 0.0
    for family, names in SAME.items():
        theirs = found["pyradiomics shape" if family == "shape" else "pyradiomics texture"]
        ours = found["Ichor shape" if family == "shape" else "Ichor texture"]
        for their, our in names.items():
            a, b = ours[f"{FAMILY.get(family, family)}_{our}"], theirs[f"{family}_{their}"]
            difference = abs(a / b - 1)
            same += difference < 1e-6
            print(f"| {family} {their} | {a:.8g} | {b:.8g} | {difference:.1e} |")
    print(f"\n{same} of {sum(map(len, SAME.values()))} agree to 1e-6.")
    for name in ("MeshVolume", "SurfaceArea"):
        ours = found["Ichor shape"][{"MeshVolume": "morph_volume_mesh", "SurfaceArea": "morph_surface_area_mesh"}[name]]
        print(f"scikit-image {name}: {found['scikit-image shape'][f'shape_{name}']:.8g}, Ichor {ours:.8g}.")
    hull = found["Ichor shape"]["morph_volume_mesh"] / found["Ichor shape"]["morph_volume_density_convex_hull"]
    print(f"scikit-image and SciPy, convex hull: {found['scikit-image shape']['shape_hull']:.8g}, Ichor {hull:.8g}.")
    print("\n| aggregation | seconds |\n|---|---|")
    for how in AGGREGATIONS:
        seconds = [run([binary, *images, "texture", how])[0]["seconds"] for _ in range(runs)]
        print(f"| {how} | {statistics.median(seconds):.3f} |")


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(Path(sys.argv[2]))
    elif sys.argv[1] == "--peer":
        print(json.dumps(peer(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
