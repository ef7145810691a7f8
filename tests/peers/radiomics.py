"""Measures a 50 mL haematoma on 512 x 512 x 400 voxels with Ichor, pyradiomics and scikit-image, side by side.

    peers/bin/python tests/peers/radiomics.py target/release/ichor [RUNS] [FOLDER] > docs/benchmarks/radiomics-peers.txt

Python packages: requirements-radiomics.txt. PLUGINS in the environment names the folder of the plugins where they are
not beside the program. CPU seconds are of the work alone for the other tools, with both images in memory; for Ichor they
are those of the whole program less those of the same pipeline with every family turned off, which reads both files and
finds the components. Each run is a process of its own; tools take turns; the median of RUNS (3) counts. Peak memory is
that of the whole process (ru_maxrss). pyradiomics spends most of its time on the whole image whatever is measured, so it
is also given both images cut to the box around the haematoma.
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


def box(mask):
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
        low, size = box(mask)
        ct, mask = (sitk.RegionOfInterest(image, size, low) for image in (ct, mask))
    start = cpu()
    found = extractor.execute(ct, mask)
    seconds = cpu() - start
    return {"seconds": seconds, "found": {k[9:]: float(v) for k, v in found.items() if k.startswith("original_")}}


PIPELINE = """
ichor: 1
name: radiomics
inputs: {{ ct: {{ kind: volume }}, mask: {{ kind: mask }} }}
stages:
  load-ct: {{ use: load-nifti, with: {{ source: $inputs.ct }} }}
  load-mask: {{ use: load-nifti, with: {{ source: $inputs.mask, kind: mask }} }}
  features:
    use: radiomics
    in: {{ ct: load-ct.image, mask: load-mask.image }}
    with: {{ morphology: {shape}, intensity: {texture}, texture: {texture}, aggregation: {how} }}
  save: {{ use: save-table, in: {{ tables: [features.table] }} }}
outputs: {{ features: save.tsv }}
"""


def run(command):
    """CPU seconds and peak memory in MiB of a process, and what it says."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{command} ended with {child.returncode}")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read().decode().splitlines()


def ichor(binary, folder, what, how="3D averaged"):
    pipeline = folder / f"{what}-{how.replace(' ', '-')}.yaml"
    on = lambda name: str(what == name).lower()
    pipeline.write_text(PIPELINE.format(shape=on("shape"), texture=on("texture"), how=how))
    plugins = ["--plugin-path", os.environ["PLUGINS"]] if "PLUGINS" in os.environ else []
    with tempfile.TemporaryDirectory(dir=folder) as out:
        inputs = [a for name in ("ct", "mask") for a in ("-i", f"{name}={folder}/{name}.nii")]
        seconds, peak, _ = run([binary, "run", str(pipeline), *inputs, "-o", out, "--no-cache", *plugins])
        lines = next(Path(out).rglob("*.tsv")).read_text().splitlines()
    head = lines[0].split("\t")
    rows = [dict(zip(head, line.split("\t"))) for line in lines[1:]]
    return seconds, peak, {r["name"]: float(r["value"]) for r in rows if r.get("value") not in ("", "n/a", None)}


def main():
    binary, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    folder = Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp())
    if not (folder / "mask.nii").exists():
        subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)
    others = (
        "pyradiomics shape", "pyradiomics shape, cropped before", "pyradiomics texture", "pyradiomics texture, cropped before",
        "scikit-image shape",
    )
    seconds, peaks, found = {}, {}, {}
    for _ in range(runs):
        for what in ("nothing", "shape", "texture"):
            s, p, values = ichor(binary, folder, what)
            name = f"Ichor {what}"
            seconds.setdefault(name, []).append(s)
            peaks.setdefault(name, []).append(p)
            found[name] = values
        for tool in others:
            _, p, lines = run([sys.executable, __file__, "--peer", tool, str(folder)])
            said = json.loads(lines[-1])
            seconds.setdefault(tool, []).append(said["seconds"])
            peaks.setdefault(tool, []).append(p)
            found[tool] = said["found"]
    median = {name: statistics.median(s) for name, s in seconds.items()}
    base = median["Ichor nothing"]
    print("| tool | CPU, s | of the work alone, s | lowest to highest, s | times Ichor's | peak memory, MiB |\n|---|---|---|---|---|---|")
    for name, s in median.items():
        alone = s - base if name.startswith("Ichor") else s
        ours = median["Ichor texture" if "texture" in name else "Ichor shape"] - base
        times = "" if name.startswith("Ichor") else f"{s / ours:.0f}"
        spread = f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"
        print(f"| {name} | {s:.2f} | {alone:.3f} | {spread} | {times} | {statistics.median(peaks[name]):.0f} |")
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
    for how in ("2D averaged", "2D slice-merged", "2.5D direction-merged", "2.5D merged", "3D averaged", "3D merged"):
        print(f"Ichor texture, {how}: {ichor(binary, folder, 'texture', how)[0] - base:.2f} CPU s.")


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(Path(sys.argv[2]))
    elif sys.argv[1] == "--peer":
        print(json.dumps(peer(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
