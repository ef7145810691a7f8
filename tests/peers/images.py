"""Reads, writes and resamples a head CT of 512 x 512 x 400 int16 with Ichor, nibabel, SimpleITK and SciPy, side by side.

    cargo build --release --workspace && cargo build --release -p ichor-tests --example images
    python tests/peers/images.py target/release/examples/images [RUNS] > docs/benchmarks/images.md

Each figure is the median of RUNS (5) runs. Each run is a process of its own; the tools take turns, so that what else the
machine does falls on all alike. Timed is the step alone: not the start of the process, and for writing and
resampling not the reading before. Beside it stands what the step took of the processors, which other work on the
machine changes less. Peak memory is the process's own (ru_maxrss), all of it, reading included.
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

SPACING = (0.43, 0.43, 5.0)


class Watch:
    """Seconds and processor seconds from now on, of all threads and of the system for them."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self):
        return {"seconds": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


def peer(tool, step, args):
    """One step by one of the others, in this process; returns what a `Watch` says."""
    if tool == "SimpleITK":
        import SimpleITK as sitk

        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
        watch = Watch()
        image = sitk.ReadImage(args[0])
        if step == "read":
            return watch.read()
        if step == "write":
            watch = Watch()
            sitk.WriteImage(image, args[1], useCompression=True)
            return watch.read()
        spacing, old, n = SPACING, image.GetSpacing(), image.GetSize()
        size = [round(n[a] * old[a] / spacing[a]) for a in range(3)]
        corner = image.TransformContinuousIndexToPhysicalPoint([0.5 * s / o - 0.5 for s, o in zip(spacing, old)])
        how = {"linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline}[args[2]]
        watch = Watch()
        out = sitk.Resample(image, size, sitk.Transform(), how, corner, spacing, image.GetDirection(), -1024.0)
        took = watch.read()
        sitk.WriteImage(out, args[1])
        return took

    import nibabel
    import numpy as np

    watch = Watch()
    # An uncompressed file is mapped by itself: only what is used of it is read, and counts as memory.
    image = nibabel.load(args[0], mmap="unmapped" not in args)
    data = np.asanyarray(image.dataobj)
    if step == "read":
        return watch.read()
    if step == "write":
        out = nibabel.Nifti1Image(data, image.affine, image.header)
        watch = Watch()
        nibabel.save(out, args[1])
        return watch.read()
    from scipy import ndimage

    factor = np.array(SPACING) / image.header.get_zooms()[:3]
    shape = [round(n / f) for n, f in zip(data.shape, factor)]
    order = {"linear": 1, "cubic": 3}[args[2]]
    mode = {"linear": "nearest", "cubic": "mirror"}[args[2]]
    watch = Watch()
    out = ndimage.affine_transform(data, factor, (factor - 1) / 2, shape, np.int16, order, mode)
    took = watch.read()
    nibabel.save(nibabel.Nifti1Image(out, image.affine), args[1])
    return took


# The example would have cargo look whether everything is built, and perhaps build it now.
ENVIRONMENT = {**os.environ, "CARGO": "true"}


def pack(plain, packed):
    """Compresses as nibabel does by itself."""
    import nibabel
    import numpy as np

    image = nibabel.load(plain)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header), packed)


def compare(name, ours, *others):
    """How far apart the results are, away from the border, which tools treat differently."""
    import nibabel
    import numpy as np

    ours = np.asanyarray(nibabel.load(ours).dataobj).astype(np.int32)
    for path in others:
        apart = np.abs(ours - np.asanyarray(nibabel.load(path).dataobj))[4:-4, 4:-4, 2:-2]
        far = np.count_nonzero(apart > 1) / apart.size
        print(f"- {name}: Ichor and {Path(path).stem} differ by at most {apart.max()} HU more than 4 voxels inside; "
              f"{far:.1e} of the voxels by more than 1 HU")


def run(command):
    """Seconds and processor seconds that a process says, and its peak memory in MiB."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, env=ENVIRONMENT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{command} ended with {child.returncode}")
        out.seek(0)
        said = json.loads(out.read().splitlines()[-1])
        return said["seconds"], said["cpu"], usage.ru_maxrss / 1024


def main():
    binary, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    # Names apart: ITK looks for `head.nii` first when it is asked for `head.nii.gz`.
    plain, packed = str(folder / "plain.nii"), str(folder / "packed.nii.gz")
    subprocess.run([binary, "make", plain, "2"], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    # A process counts in its peak what its parent had when it began, so this one holds no image and no library.
    subprocess.run([sys.executable, __file__, "--pack", plain, packed], check=True)
    size = lambda path: os.path.getsize(path) / 1e6

    def ichor(*args):
        return [binary, *args, "2"]

    def other(tool, *args):
        return [sys.executable, __file__, "--peer", tool, *args]

    small = "Ichor, `compression: 6`"
    out = {tool: str(folder / f"{tool.split('`')[0]}.nii.gz") for tool in ("Ichor", small, "nibabel", "SimpleITK")}
    plain_out = {tool: str(folder / f"{tool}.nii") for tool in ("Ichor", "SciPy", "SimpleITK", "box")}
    steps = [
        ("read .nii.gz, written by nibabel", {
            "Ichor": ichor("read", packed),
            "nibabel": other("nibabel", "read", packed),
            "SimpleITK": other("SimpleITK", "read", packed),
        }),
        ("write .nii.gz", {
            "Ichor": ichor("write", plain, out["Ichor"], "1"),
            small: ichor("write", plain, out[small], "6"),
            "nibabel": other("nibabel", "write", plain, out["nibabel"]),
            "SimpleITK": other("SimpleITK", "write", plain, out["SimpleITK"]),
        }),
        ("read .nii.gz, written by Ichor", {
            "Ichor": ichor("read", out["Ichor"]),
            "nibabel": other("nibabel", "read", out["Ichor"]),
            "SimpleITK": other("SimpleITK", "read", out["Ichor"]),
        }),
    ]
    for how, name, source in (
        ("linear", "linear, from .nii.gz", packed), ("linear", "linear", plain), ("cubic", "cubic B-spline", plain)
    ):
        tools = {
            "Ichor": ichor("resample", source, plain_out["Ichor"], how),
            "SimpleITK": other("SimpleITK", "resample", source, plain_out["SimpleITK"], how),
            "SciPy": other("SciPy", "resample", source, plain_out["SciPy"], how),
        }
        if name == "linear":  # of whose input a fifth is used; cubic uses all of it, mapped or not
            tools["SciPy, input not mapped"] = other("SciPy", "resample", plain, plain_out["SciPy"], how, "unmapped")
        steps.append((f"resample to 0.43 x 0.43 x 5 mm, {name}", tools))
    steps.append(("resample to 0.43 x 0.43 x 5 mm, slices averaged", {
        "Ichor": ichor("resample", plain, plain_out["box"], "box"),
    }))

    rows, agreement = [], []
    for name, tools in steps:
        seen = {tool: [] for tool in tools}
        for _ in range(runs):
            for tool, command in tools.items():
                seen[tool].append(run(command))
        median = {tool: [statistics.median(column) for column in zip(*values)] for tool, values in seen.items()}
        for tool, (seconds, cpu, mib) in median.items():
            times = "" if tool == "Ichor" else f"{seconds / median['Ichor'][0]:.1f}"
            if small in median and tool not in ("Ichor", small):
                times += f"; {seconds / median[small][0]:.1f}"
            spread = f"{min(v[0] for v in seen[tool]):.2f} to {max(v[0] for v in seen[tool]):.2f}"
            made = f"{size(out[tool]):.1f}" if name == "write .nii.gz" else ""
            rows.append(f"| {name} | {tool} | {seconds:.2f} | {spread} | {times} | {cpu:.2f} | {mib:.0f} | {made} |")
        if "SciPy" in tools:
            paths = [plain_out[tool] for tool in ("Ichor", "SimpleITK", "SciPy")]
            command = [sys.executable, __file__, "--compare", name, *paths]
            agreement.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    versions = ", ".join(f"{name} {version(name.lower())}" for name in ("nibabel", "SimpleITK", "SciPy"))
    print("# Images in, images out, next to others\n")
    print("`python tests/peers/images.py target/release/examples/images`\n")
    print(f"A head of the phantom stage, 512 x 512 x 400 int16, 0.46 x 0.46 x 0.5 mm ({size(plain):.0f} MB,")
    print(f"{size(packed):.1f} MB as nibabel compresses it), in memory (tmpfs). {versions}, Python")
    print(f"{platform.python_version()}; {os.cpu_count()} processors; Ichor and SimpleITK with 2 threads each, nibabel and SciPy have")
    print(f"one. Medians of {runs} runs, each a process of its own, the tools in turns. Timed is the step alone; peak memory")
    print("is that of the whole process. nibabel and SimpleITK write with their default compression; Ichor with its own, 1, and")
    print("once with 6, and it decompresses what it made to compare it. CPU is the processors' time, of all threads.")
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    print(f"Load at the end: {load} (1, 5, 15 minutes; a tool with 2 threads alone makes 2).\n")
    print("| step | tool | s, median | s, range | times Ichor's | CPU s | peak, MiB | file, MB |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\nThe same is computed:\n")
    print("\n".join(agreement))
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


if sys.argv[1:2] == ["--peer"]:
    print(json.dumps(peer(sys.argv[2], sys.argv[3], sys.argv[4:])))
elif sys.argv[1:2] == ["--pack"]:
    pack(*sys.argv[2:])
elif sys.argv[1:2] == ["--compare"]:
    compare(*sys.argv[2:])
else:
    main()
