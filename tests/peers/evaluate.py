"""Evaluates masks of 512 x 512 x 400 with Ichor, surface-distance and MONAI, side by side.

    cargo build --release --workspace && cargo build --release -p ichor-tests --example evaluate
    peers/bin/python tests/peers/evaluate.py target/release/examples/evaluate [RUNS] [FOLDER] > docs/benchmarks/evaluate.md

Python packages: requirements-evaluate.txt. Ichor measures all six metrics and the lesions, surface-distance HD and HD95
alone. Each figure is the median of RUNS (5) runs; slow tools have one. Masks are kept in FOLDER where one is named. Each run is a process of its own; the tools take
turns. Timed is the evaluation alone, with both masks in memory. Peak memory is the process's own (ru_maxrss), all of it,
the masks included.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SPACING = (0.43, 0.43, 0.45)
SHAPE = (512, 512, 400)
ENVIRONMENT = {**os.environ, "CARGO": "true"}  # or the example would have cargo look whether everything is built


def make(folder):
    """Three pairs of masks: a haematoma and one like it; the same with 60 specks; a cavity."""
    import nibabel
    import numpy as np

    x, y, z = np.meshgrid(*[np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, SPACING)], indexing="ij", sparse=True)

    def lump(centre, radius):
        d = [a - c for a, c in zip((x, y, z), centre)]
        r = np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
        theta, phi = np.arctan2(d[1], d[0]), np.arccos(np.clip(d[2] / np.maximum(r, 1e-6), -1, 1))
        shape = 1 + 0.18 * np.sin(5 * theta) * np.sin(phi) ** 3 + 0.12 * np.cos(4 * phi)
        return r < radius * (shape + 0.08 * np.sin(9 * theta + 3 * phi) * np.sin(phi) ** 2)

    def save(name, mask):
        image = nibabel.Nifti1Image(np.asfortranarray(mask.astype(np.uint8)), np.diag([*SPACING, 1.0]))
        nibabel.save(image, folder / f"{name}.nii")

    reference = lump((129, 107.5, 90), 22.1)
    mask = np.roll(reference, (2, -2, 1), (0, 1, 2))
    mask[330:345] &= reference[330:345]
    save("haematoma-reference", reference)
    save("haematoma-mask", mask)
    draw = np.random.default_rng(7)
    for _ in range(60):
        p = [draw.integers(80, 430), draw.integers(80, 430), draw.integers(40, 360)]
        n = draw.integers(1, 5)
        mask[p[0] : p[0] + n, p[1] : p[1] + n, p[2] : p[2] + n] = True
    save("specks-reference", reference)
    save("specks-mask", mask)
    inside = lambda a, b, c: ((x - 110) / a) ** 2 + ((y - 110) / b) ** 2 + ((z - 90) / c) ** 2 < 1
    save("cavity-reference", inside(64, 82, 60))
    save("cavity-mask", inside(65, 81, 61))


def peer(tool, folder, scene):
    import nibabel
    import numpy as np

    mask, reference = (np.asarray(nibabel.load(folder / f"{scene}-{name}.nii").dataobj) for name in ("mask", "reference"))
    if tool == "surface-distance":
        import surface_distance as sd

        mask, reference = mask.view(bool), reference.view(bool)
        start = time.perf_counter()
        found = sd.compute_surface_distances(reference, mask, SPACING)
        out = {"hd": sd.compute_robust_hausdorff(found, 100), "hd95": sd.compute_robust_hausdorff(found, 95)}
    else:
        import torch
        from monai.metrics import compute_hausdorff_distance

        torch.set_num_threads(2)
        y, p = (torch.from_numpy(np.ascontiguousarray(m))[None, None] for m in (reference, mask))
        del mask, reference
        start = time.perf_counter()
        found = compute_hausdorff_distance(p, y, include_background=True, percentile=95, spacing=SPACING)
        out = {"hd95": found[0, 0].item()}
    return {"seconds": time.perf_counter() - start, "found": {k: float(v) for k, v in out.items()}}


def run(command):
    """What a process says, and its peak memory in MiB."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, env=ENVIRONMENT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{command} ended with {child.returncode}")
        out.seek(0)
        return json.loads(out.read().splitlines()[-1]), usage.ru_maxrss / 1024


def main():
    binary, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    kept = len(sys.argv) > 3
    folder = Path(sys.argv[3] if kept else tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    # A process counts in its peak what its parent had when it began, so this one holds no image and no library.
    if not (folder / "cavity-mask.nii").exists():
        subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)
    scenes = {
        "haematoma": "a 50 mL haematoma of irregular shape and the same moved by 1 to 2 voxels, a part of it cut off",
        "specks": "the same with 60 specks all over the head in the mask",
        "cavity": "cranial cavities of 1.3 L, half-axes 1 mm apart",
    }
    conventions = {"paper": "all six, the paper's", "border6": "all six, border6", "surface-distance": "all six, surfels"}
    others = {
        "surface-distance": ("HD, HD95", runs),
        "MONAI": ("HD95", 1),
    }
    rows, values = [], []
    for scene in scenes:
        jobs = {}
        for convention, what in conventions.items():
            paths = [str(folder / f"{scene}-{name}.nii") for name in ("mask", "reference")]
            jobs["Ichor", what] = [binary, *paths, convention, "2"], runs
        for tool, (what, times) in others.items():
            if scene == "haematoma" or times > 1:
                jobs[tool, what] = [sys.executable, __file__, "--peer", tool, str(folder), scene], times
        seen = {job: [] for job in jobs}
        for n in range(runs):
            for job, (command, times) in jobs.items():
                if n < times:
                    seen[job].append(run(command))
        median = {job: statistics.median(r[0]["seconds"] for r in found) for job, found in seen.items()}
        ours = median["Ichor", conventions["paper"]]
        for (tool, what), found in seen.items():
            seconds = sorted(r[0]["seconds"] for r in found)
            peak = statistics.median(r[1] for r in found)
            spread = f"{seconds[0]:.3f} to {seconds[-1]:.3f}" if len(seconds) > 1 else "one run"
            times = "" if tool == "Ichor" else f"{median[tool, what] / ours:.1f}"
            rows.append(f"| {scene} | {tool} | {what} | {median[tool, what]:.3f} | {spread} | {times} | {peak:.0f} |")
            said = ", ".join(f"{k} {v:.4f}" for k, v in found[0][0]["found"].items())
            values.append(f"| {scene} | {tool} | {what} | {said} |")
    names = {"surface-distance": "surface-distance", "MONAI": "monai", "SciPy": "scipy"}
    versions = ", ".join(f"{name} {version(package)}" for name, package in names.items())
    print("# Masks against references, next to others\n")
    print("`python tests/peers/evaluate.py target/release/examples/evaluate`\n")
    print("Pairs of masks of 512 x 512 x 400 voxels, 0.43 x 0.43 x 0.45 mm, in memory:\n")
    print("\n".join(f"- {scene}: {what}" for scene, what in scenes.items()))
    print(f"\n{versions}, Python {platform.python_version()}; {os.cpu_count()} processors; Ichor and MONAI with 2")
    print(f"threads, surface-distance has one. Medians of {runs} runs, each a process of its own, the tools in turns. Timed is the")
    print("evaluation alone. Ichor's holds Dice, HD, HD95, MHD, CMD, ASSD, volume difference, surface Dice and the lesions one")
    print("by one; the others' what stands beside them. Peak memory is that of the whole process, both masks (200 MiB) included.\n")
    print("| masks | tool | metrics | s, median | s, range | times Ichor's (paper) | peak, MiB |\n|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\nWhat they found; conventions differ (docs/stages/evaluate-segmentation.md), and those that agree give the same:\n")
    print("| masks | tool | metrics | found |\n|---|---|---|---|")
    print("\n".join(values))
    if not kept:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


if sys.argv[1:2] == ["--peer"]:
    print(json.dumps(peer(sys.argv[2], Path(sys.argv[3]), sys.argv[4])))
elif sys.argv[1:2] == ["--make"]:
    make(Path(sys.argv[2]))
else:
    main()
