"""Small clusters removed from a mask of 512 x 512 x 400 voxels by Ichor, connected-components-3d, SimpleITK and SciPy.

    cargo build --release -p ichor-plugin-clusters && cargo build --release -p ichor-tests --example clusters_time
    python tests/peers/clusters.py target/release/examples/clusters_time [RUNS]

Packages: NumPy, SciPy, SimpleITK, connected-components-3d 4.1 (those that are missing are left out). Each run is a process
of its own; tools take turns. Timed is the step alone, from a mask in memory to a new mask without the clusters under
0.1 mL, 26 neighbours. Two masks: an irregular haematoma of 50 mL with 60 specks, and the same with 1 % of all voxels set
at random, which is what a threshold leaves of noise. CPU is user and system time of the step, peak memory the process's
own (VmHWM), all of it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shape import SHAPE, SPACING, blob, used

LEAST = 0.1


def specks(mask):
    """Sixty balls of 1 to 3 voxels' radius, all over the image."""
    import numpy as np

    draw = np.random.default_rng(1)
    for _ in range(60):
        r = int(draw.integers(1, 4))
        at = [int(draw.integers(4, n - 4)) for n in mask.shape]
        z, y, x = np.ogrid[-r : r + 1, -r : r + 1, -r : r + 1]
        mask[tuple(slice(c - r, c + r + 1) for c in at)] |= (z * z + y * y + x * x <= r * r).astype(np.uint8)
    return mask


def peer(tool, path):
    """One run by one of the others, in this process."""
    import numpy as np

    mask = np.fromfile(path, np.uint8).reshape(SHAPE[::-1])
    least = int(np.ceil(LEAST * 1000 / np.prod(SPACING)))
    if tool.startswith("cc3d"):
        import cc3d

        if tool == "cc3d, dust":
            work = lambda: cc3d.dust(mask.view(bool), threshold=least, connectivity=26)
        elif tool == "cc3d, dust in place":
            work = lambda: cc3d.dust(mask.view(bool), threshold=least, connectivity=26, in_place=True)
        else:

            def work():
                labels, n = cc3d.connected_components(mask, connectivity=26, binary_image=True, return_N=True)
                counts = np.bincount(labels.ravel(), minlength=n + 1)
                stays = counts >= least
                stays[0] = False
                return stays[labels]

    elif tool == "SimpleITK":
        import SimpleITK as sitk

        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
        image = sitk.GetImageFromArray(mask)

        def work():
            labels = sitk.ConnectedComponent(image, True)
            return sitk.RelabelComponent(labels, minimumObjectSize=least) > 0

    else:
        from scipy import ndimage

        def work():
            labels, n = ndimage.label(mask, np.ones((3, 3, 3)))
            stays = np.bincount(labels.ravel(), minlength=n + 1) >= least
            stays[0] = False
            return stays[labels]

    wall, cpu = time.perf_counter(), used()
    out = work()
    wall, cpu = time.perf_counter() - wall, used() - cpu
    # Not ru_maxrss, which a child takes over from its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    if tool == "SimpleITK":
        out = sitk.GetArrayFromImage(out)
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "kept": int(np.count_nonzero(out))}))


def main():
    import numpy as np

    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        plain = specks(blob())
        noisy = plain | (np.random.default_rng(2).integers(0, 100, plain.shape, np.uint8) == 0)
        for name, mask in [("50 mL and 60 specks", plain), ("the same and 1 % of all voxels", noisy)]:
            path = str(Path(folder) / "mask.raw")
            mask.astype(np.uint8).tofile(path)
            tools = {
                "Ichor, 2 threads": [program, path, "2", "algorithm"],
                "Ichor, 1 thread": [program, path, "1", "algorithm"],
                "Ichor, 2 threads, mask and labels": [program, path, "2", "labels"],
                "Ichor, whole stage, 2 threads": [program, path, "2", "stage"],
            }
            for tool in ["cc3d, dust", "cc3d, dust in place", "cc3d, labels and counts", "SimpleITK", "SciPy"]:
                tools[tool] = [sys.executable, __file__, "--peer", tool, path]
            measured = {tool: [] for tool in tools}
            for _ in range(runs):
                for tool, command in tools.items():
                    ended = subprocess.run(command, capture_output=True, text=True)
                    if ended.returncode == 0:
                        measured[tool].append(json.loads(ended.stdout.splitlines()[-1]))
                    elif not measured[tool]:
                        print(f"{tool}: {ended.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            print(f"| {name} | seconds | lowest to highest | CPU seconds | peak memory, MiB | voxels that stay |")
            print("|---|---|---|---|---|---|")
            for tool, all_runs in measured.items():
                if all_runs:
                    wall, cpu, peak = (statistics.median(r[k] for r in all_runs) for k in ("wall", "cpu", "peak"))
                    low, high = (f(r["wall"] for r in all_runs) for f in (min, max))
                    kept = all_runs[0]["kept"]
                    print(f"| {tool} | {wall:.3f} | {low:.3f} to {high:.3f} | {cpu:.3f} | {peak:.0f} | {kept} |")
            print(flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        peer(*sys.argv[2:])
    else:
        main()
