#!/usr/bin/env python3
"""The cranial cavity by Ichor's atlases and by an atlas that elastix, ANTs and SimpleITK register: CPU time and Dice.

    python3 -m venv peers && peers/bin/pip install -r tests/peers/requirements-register.txt
    cargo build --release
    peers/bin/python tests/peers/cavity.py --ichor target/release/ichor [--methods a,b]

Two phantoms that are in no atlas set, in thin and in thick slices. The peers register one phantom of Ichor's shipped set
to each on voxels of 2 mm and bring its cavity along; what they find is compared with the truth on 2 mm. Ichor is compared
with the truth on the scan's own voxels. Every method runs in a process of its own with two threads. CPU is user and
system time: of the registration alone for the peers, of the whole program with reading and writing for Ichor.
"""
import argparse, json, os, resource, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import register as peers
import numpy as np
import SimpleITK as sitk

THIN = "shape: [232, 256, 180], spacing: [0.9, 0.9, 1.0]"
THICK = "shape: [464, 512, 36], spacing: [0.45, 0.45, 5.0]"


def phantoms(ichor, folder):
    heads = {"atlas": f"seed: 1005, cavity_ml: 1340, haematoma_ml: 0, {THIN}", "thin": f"seed: 5000, {THIN}", "thick": f"seed: 5001, {THICK}"}
    lines = ["ichor: 1", "name: heads", "stages:"]
    for name, params in heads.items():
        lines.append(f"  {name}: {{ use: phantom-head, with: {{ {params} }} }}")
        lines += [f"  {name}-{port}: {{ use: save-nifti, in: {{ image: {name}.{port} }} }}" for port in ("ct", "cavity")]
    lines.append("outputs:")
    lines += [f"  {name}-{port}: {name}-{port}.file" for name in heads for port in ("ct", "cavity")]
    open(f"{folder}/heads.yaml", "w").write("\n".join(lines) + "\n")
    subprocess.run([ichor, "run", f"{folder}/heads.yaml", "--out", folder, "--no-cache"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def coarse(image, outside):
    """On voxels of 2 mm."""
    spacing = np.array(image.GetSpacing())
    size = [int(round(n * s / 2.0)) for n, s in zip(image.GetSize(), spacing)]
    image = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), [0.85 if s < 2 else 0.1 for s in spacing])
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing([2.0] * 3)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.GetOrigin())
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, outside)


def dice(a, b):
    return 2.0 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def whole(params):
    def run(folder, target):
        pipeline = f"""ichor: 1
name: cavity
stages:
  load: {{ use: load-nifti, with: {{ source: {folder}/{target}-ct.nii.gz, unit: HU }} }}
  cavity: {{ use: cavity-atlas, in: {{ ct: load.image }}, with: {{ {params} }} }}
  save: {{ use: save-nifti, in: {{ image: cavity.mask }} }}
outputs:
  mask: save.file
"""
        open(f"{folder}/cavity.yaml", "w").write(pipeline)
        begin, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([peers.ARGS.ichor, "run", f"{folder}/cavity.yaml", "--out", f"{folder}/out", "--threads", "2", "--no-cache"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.time() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        read = lambda name: sitk.GetArrayFromImage(sitk.ReadImage(name)) > 0
        found, truth = read(f"{folder}/out/mask.nii.gz"), read(f"{folder}/{target}-cavity.nii.gz")
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, dice(found, truth), after.ru_maxrss
    return run


def one_atlas(method):
    def run(folder, target):
        for name, head in (("fixed", target), ("moving", "atlas")):
            sitk.WriteImage(sitk.Cast(coarse(sitk.ReadImage(f"{folder}/{head}-ct.nii.gz"), -1024.0), sitk.sitkInt16), f"{folder}/{name}.nii")
        begin, end, warp = method(folder)
        own = np.asarray(warp(coarse(sitk.ReadImage(f"{folder}/atlas-cavity.nii.gz"), 0.0)))
        truth = sitk.GetArrayFromImage(coarse(sitk.ReadImage(f"{folder}/{target}-cavity.nii.gz"), 0.0)) >= 0.5
        found = np.logical_and(own >= 0.5, own < 2.0)
        return end[0] - begin[0], end[1] - begin[1], dice(found, truth), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return run


METHODS = {
    "ichor cavity-atlas": whole("deformable: true"),
    "ichor cavity-atlas without free form": whole("deformable: false"),
    "elastix affine + bspline": one_atlas(peers.elastix(True)),
    "ANTs SyNQuick": one_atlas(peers.ants("antsRegistrationSyNQuick[s]")),
    "SimpleITK affine + demons": one_atlas(peers.simple("demons")),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ichor", default="target/release/ichor")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--folder")
    parser.add_argument("--one", nargs=2)
    peers.ARGS = parser.parse_args()
    args = peers.ARGS
    if args.one:
        print(json.dumps([float(v) for v in METHODS[args.one[0]](args.folder, args.one[1])]))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        phantoms(args.ichor, folder)
        print("| method | slices | wall, s | CPU, s | Dice | peak memory, MB |\n|---|---|---|---|---|---|")
        for name in args.methods.split(","):
            for target in ("thin", "thick"):
                out = subprocess.run([sys.executable, __file__, "--ichor", args.ichor, "--folder", folder, "--one", name, target], capture_output=True, text=True)
                if out.returncode:
                    print(f"| {name} | {target} | failed: {out.stderr.strip().splitlines()[-1:]} | | | |")
                    continue
                wall, cpu, share, memory = json.loads(out.stdout.strip().splitlines()[-1])
                print(f"| {name} | {target} | {wall:.2f} | {cpu:.2f} | {share:.4f} | {memory / 1024:.0f} |", flush=True)
