"""Shape of a 50 mL irregular haematoma in 512 x 512 x 400 by Ichor, pyradiomics and scikit-image, side by side.

    cargo build --release -p ichor-plugin-biomarkers && cargo build --release -p ichor-tests --example shape_time
    python tests/peers/shape.py target/release/examples/shape_time [RUNS] >> docs/benchmarks/irregularity.md

Packages: NumPy, SciPy, scikit-image 0.26, SimpleITK, pyradiomics 3.0.1 (those that are missing are left out). Each run is a
process of its own; tools take turns. Timed is the step alone with the mask in memory. scikit-image: crop, marching cubes,
area, volume and convex hull. pyradiomics: its class `shape`. Ichor: the whole stage `biomarker-irregularity`, which
measures shape twice, outlines, openings, foci and signs besides. CPU is user and system time of the step, peak memory the
process's own (VmHWM), all of it.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPACING = (0.43, 0.43, 0.45)
SHAPE = (512, 512, 400)


def blob():
    """An irregular blob of 50 mL, uint8, [z][y][x]."""
    import numpy as np

    x, y, z = (np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, SPACING))
    dx, dy, dz = x[None, None, :] - 129, y[None, :, None] - 107.5, z[:, None, None] - 90
    r = np.sqrt(dx * dx + dy * dy + dz * dz)
    theta = np.arctan2(dy, dx)
    cosine = np.clip(dz / np.maximum(r, 1e-6), -1, 1)
    phi = np.arccos(cosine)
    sine = np.sin(phi)
    edge = 1 + 0.18 * np.sin(5 * theta) * sine**3 + 0.12 * np.cos(4 * phi) + 0.08 * np.sin(9 * theta + 3 * phi) * sine**2
    low, high = 10.0, 40.0
    for _ in range(25):
        middle = (low + high) / 2
        volume = np.count_nonzero(r < middle * edge) * np.prod(SPACING) / 1000
        low, high = (middle, high) if volume < 50 else (low, middle)
    return (r < low * edge).astype(np.uint8)


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peer(tool, path):
    """One run by one of the others, in this process."""
    import numpy as np

    mask = np.fromfile(path, np.uint8).reshape(SHAPE[::-1])
    if tool == "scikit-image":
        from scipy.spatial import ConvexHull
        from skimage.measure import marching_cubes, mesh_surface_area

        wall, cpu = time.perf_counter(), used()
        where = [np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
        part = mask[tuple(slice(w[0] - 1, w[-1] + 2) for w in where)].astype(np.float32)
        v, f, _, _ = marching_cubes(part, 0.5, spacing=SPACING[::-1])
        area = mesh_surface_area(v, f)
        t = v[f].astype(np.float64)
        volume = abs(np.einsum("ij,ij->i", t[:, 0], np.cross(t[:, 1], t[:, 2])).sum() / 6)
        hull = ConvexHull(v)
        found = {"surface_area": area, "volume_mesh": volume / 1000, "solidity": volume / hull.volume}
    else:
        import SimpleITK as sitk
        import radiomics
        from radiomics import featureextractor

        radiomics.setVerbosity(60)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
        label = sitk.GetImageFromArray(mask)
        image = sitk.GetImageFromArray(np.where(mask, 60, 30).astype(np.int16))
        for i in (label, image):
            i.SetSpacing(SPACING)
        extractor = featureextractor.RadiomicsFeatureExtractor()
        extractor.disableAllFeatures()
        extractor.enableFeatureClassByName("shape")
        wall, cpu = time.perf_counter(), used()
        result = extractor.execute(image, label)
        get = lambda name: float(result["original_shape_" + name])
        found = {
            "surface_area": get("SurfaceArea"),
            "volume_mesh": get("MeshVolume") / 1000,
            "max_diameter_3d": get("Maximum3DDiameter"),
            "sphericity": get("Sphericity"),
        }
    wall, cpu = time.perf_counter() - wall, used() - cpu
    # Not ru_maxrss, which a child takes over from its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "found": {k: float(v) for k, v in found.items()}}))


def main():
    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "mask.raw")
        blob().tofile(path)
        tools = {
            "Ichor, 1 thread": [program, path, "1"],
            "Ichor, 2 threads": [program, path, "2"],
            "scikit-image": [sys.executable, __file__, "--peer", "scikit-image", path],
            "pyradiomics": [sys.executable, __file__, "--peer", "pyradiomics", path],
        }
        measured = {tool: [] for tool in tools}
        for _ in range(runs):
            for tool, command in tools.items():
                ended = subprocess.run(command, capture_output=True, text=True)
                if ended.returncode == 0:
                    measured[tool].append(json.loads(ended.stdout.splitlines()[-1]))
                elif not measured[tool]:
                    print(f"{tool}: {ended.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        print("| tool | seconds | CPU seconds | peak memory, MiB | found |\n|---|---|---|---|---|")
        for tool, all_runs in measured.items():
            if all_runs:
                wall, cpu, peak = (statistics.median(r[k] for r in all_runs) for k in ("wall", "cpu", "peak"))
                found = ", ".join(f"{k} {v:.4f}" for k, v in all_runs[0]["found"].items())
                print(f"| {tool} | {wall:.3f} | {cpu:.3f} | {peak:.0f} | {found} |")


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        peer(*sys.argv[2:])
    elif sys.argv[1] == "--mask":
        blob().tofile(sys.argv[2])
    else:
        main()
