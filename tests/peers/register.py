#!/usr/bin/env python3
"""Registration by Ichor, elastix, ANTs and SimpleITK side by side: CPU time and error against a map that is known.

    python3 -m venv peers && peers/bin/pip install -r tests/peers/requirements-register.txt
    cargo build --release
    peers/bin/python tests/peers/register.py --ichor target/release/ichor --head HEAD.nii.gz [--methods a,b]

Moving: the scan on 2 mm voxels. Fixed: the same, moved by a known affine and a smooth deformation, with noise of its
own. Every method runs in a process of its own with two threads. CPU is user and system time: of the registration alone
for the peers (no reading or writing of files), of the whole program for Ichor. Error: mean and 95th percentile, over
the voxels of the fixed head, of the distance between where the method and the truth take them.
"""
import argparse, json, os, resource, subprocess, sys, tempfile, time
for key in ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[key] = "2"
import numpy as np
import SimpleITK as sitk


def window(image):
    """-100 to 900 HU, moved to 0 to 1000: what every method gets."""
    return sitk.Clamp(sitk.Cast(image, sitk.sitkFloat32), sitk.sitkFloat32, -100, 900) + 100


def prepare(path, folder, deform):
    image = sitk.Cast(sitk.ReadImage(path), sitk.sitkFloat32)
    size = [int(round(n * s / 2.0)) for n, s in zip(image.GetSize(), image.GetSpacing())]
    spacing = np.array(image.GetSpacing())
    image = sitk.SmoothingRecursiveGaussian(image, [max(0.1, 0.85 if s < 2 else 0.1) for s in spacing])
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    direction = np.array(image.GetDirection()).reshape(3, 3)
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing([2.0] * 3)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin((middle - direction @ (np.array(size) - 1)).tolist())
    moving = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, -1024.0)
    room = sitk.Image([130, 140, 130], sitk.sitkFloat32)
    room.SetSpacing([2.0] * 3)
    room.SetOrigin((middle - np.array([129, 139, 129])).tolist())
    affine = sitk.AffineTransform(3)
    x, y, z = np.deg2rad([10, -8, 12])
    turn = lambda a, i, j: np.array([[np.cos(a) if r == c and r in (i, j) else float(r == c) for c in range(3)] for r in range(3)]) + np.array([[(-np.sin(a) if (r, c) == (i, j) else np.sin(a) if (r, c) == (j, i) else 0) for c in range(3)] for r in range(3)])
    matrix = turn(z, 0, 1) @ turn(y, 2, 0) @ turn(x, 1, 2) @ np.diag([1.05, 0.95, 1.02])
    affine.SetMatrix(matrix.ravel().tolist())
    affine.SetCenter(middle.tolist())
    affine.SetTranslation([8, -12, 10])
    parts = [affine]
    if deform:
        spline = sitk.BSplineTransformInitializer(room, [6, 6, 6], 3)
        rng = np.random.default_rng(7)
        spline.SetParameters(rng.normal(0, 8.0, spline.GetNumberOfParameters()).tolist())
        parts.append(spline)
    truth = sitk.CompositeTransform(parts)
    fixed = sitk.Resample(moving, room, truth, sitk.sitkLinear, -1024.0)
    noise = np.random.default_rng(8).normal(0, 5, sitk.GetArrayFromImage(fixed).shape).astype(np.float32)
    noise[sitk.GetArrayFromImage(fixed) < -900] = 0
    noisy = sitk.GetImageFromArray(sitk.GetArrayFromImage(fixed) + noise)
    noisy.CopyInformation(fixed)
    sitk.WriteImage(sitk.Cast(sitk.Clamp(noisy, sitk.sitkFloat32, -1024, 3071), sitk.sitkInt16), f"{folder}/fixed.nii")
    sitk.WriteImage(sitk.Cast(sitk.Clamp(moving, sitk.sitkFloat32, -1024, 3071), sitk.sitkInt16), f"{folder}/moving.nii")
    sitk.WriteTransform(truth, f"{folder}/truth.tfm")


def clock():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return time.time(), use.ru_utime + use.ru_stime


def simple(kind):
    def run(folder):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
        f, m = (window(sitk.ReadImage(f"{folder}/{n}.nii")) for n in ("fixed", "moving"))
        begin = clock()
        start = sitk.CenteredTransformInitializer(f, m, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS)
        r = sitk.ImageRegistrationMethod()
        r.SetMetricAsCorrelation()
        r.SetMetricSamplingStrategy(r.RANDOM)
        r.SetMetricSamplingPercentage(0.1, 42)
        r.SetInterpolator(sitk.sitkLinear)
        r.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 200, 0.6)
        r.SetOptimizerScalesFromPhysicalShift()
        r.SetShrinkFactorsPerLevel([4, 2, 1])
        r.SetSmoothingSigmasPerLevel([4, 2, 1])
        r.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        r.SetInitialTransform(start, inPlace=False)
        found = r.Execute(f, m)
        if kind == "demons":
            moved, field = sitk.Resample(m, f, found, sitk.sitkLinear, 0.0), None
            for shrink, n in ((4, 40), (2, 30), (1, 20)):
                small = lambda i: sitk.Shrink(sitk.SmoothingRecursiveGaussian(i, shrink * 0.5), [shrink] * 3) if shrink > 1 else i
                fs, ms = small(f), small(moved)
                d = sitk.DiffeomorphicDemonsRegistrationFilter()
                d.SetNumberOfIterations(n)
                d.SetStandardDeviations(1.5)
                d.SetSmoothDisplacementField(True)
                field = d.Execute(fs, ms) if field is None else d.Execute(fs, ms, sitk.Resample(field, fs, sitk.Transform(), sitk.sitkLinear))
            field = sitk.Resample(field, f, sitk.Transform(), sitk.sitkLinear)
            found = sitk.CompositeTransform([found, sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))])
        end = clock()
        return begin, end, lambda i: sitk.GetArrayFromImage(sitk.Resample(i, f, found, sitk.sitkLinear, 1e6))
    return run


def elastix(deform):
    def run(folder):
        import itk
        f0 = sitk.ReadImage(f"{folder}/fixed.nii")

        def to_itk(image):
            out = itk.image_from_array(sitk.GetArrayFromImage(image))
            out.SetSpacing(image.GetSpacing())
            out.SetOrigin(image.GetOrigin())
            out.SetDirection(np.array(image.GetDirection()).reshape(3, 3))
            return out
        f, m = to_itk(window(f0)), to_itk(window(sitk.ReadImage(f"{folder}/moving.nii")))
        maps = itk.ParameterObject.New()
        for name in ("affine", "bspline") if deform else ("affine",):
            p = maps.GetDefaultParameterMap(name, 3, 20.0)
            p["Metric"] = ["AdvancedNormalizedCorrelation"]
            if name == "bspline":
                p["Registration"] = ["MultiResolutionRegistration"]
            else:
                p["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
                p["AutomaticTransformInitialization"] = ["true"]
            p["MaximumNumberOfIterations"] = ["512" if name == "bspline" else "256"]
            p["NumberOfSpatialSamples"] = ["4096"]
            p["WriteResultImage"] = ["false"]
            p["ResultImagePixelType"] = ["float"]
            maps.AddParameterMap(p)
        begin = clock()
        _, found = itk.elastix_registration_method(f, m, parameter_object=maps, number_of_threads=2, log_to_console=False)
        end = clock()

        def warp(image):
            q = itk.ParameterObject.New()
            for n in range(found.GetNumberOfParameterMaps()):
                p = dict(found.GetParameterMap(n))
                p["ResampleInterpolator"], p["FinalBSplineInterpolationOrder"] = ["FinalBSplineInterpolator"], ["1"]
                p["DefaultPixelValue"], p["ResultImagePixelType"] = ["1000000"], ["float"]
                q.AddParameterMap(p)
            return itk.array_from_image(itk.transformix_filter(to_itk(image), q))
        return begin, end, warp
    return run


def ants(kind):
    def run(folder):
        import ants

        def to_ants(image):
            place = dict(origin=list(image.GetOrigin()), spacing=list(image.GetSpacing()))
            direction = np.array(image.GetDirection()).reshape(3, 3)
            return ants.from_numpy(sitk.GetArrayFromImage(image).transpose(2, 1, 0), direction=direction, **place)
        f, m = (to_ants(window(sitk.ReadImage(f"{folder}/{n}.nii"))) for n in ("fixed", "moving"))
        begin = clock()
        found = ants.registration(f, m, type_of_transform=kind, random_seed=1)
        end = clock()

        def warp(image):
            return ants.apply_transforms(f, to_ants(image), found["fwdtransforms"], defaultvalue=1000000).numpy().transpose(2, 1, 0)
        return begin, end, warp
    return run


def ichor(model):
    def run(folder):
        pipeline = f"""ichor: 1
name: register
stages:
  fixed:    {{ use: load-nifti, with: {{ source: {folder}/fixed.nii, unit: HU }} }}
  moving:   {{ use: load-nifti, with: {{ source: {folder}/moving.nii, unit: HU }} }}
  register: {{ use: register, in: {{ fixed: fixed.image, moving: moving.image }}, with: {{ model: {model} }} }}
outputs:
  transform: register.transform
"""
        path, out = f"{folder}/{model}.yaml", f"{folder}/out-{model}"
        open(path, "w").write(pipeline)
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        subprocess.run([ARGS.ichor, "run", path, "--out", out, "--threads", "2", "--no-cache"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = sitk.ReadTransform(f"{out}/transform.tfm")
        fixed = sitk.ReadImage(f"{folder}/fixed.nii")
        return (begin, 0.0), (time.time(), cpu), lambda i: sitk.GetArrayFromImage(sitk.Resample(i, fixed, found, sitk.sitkLinear, 1e6))
    return run


METHODS = {
    "ichor affine": ichor("affine"), "elastix affine": elastix(False), "ANTs Affine": ants("Affine"), "SimpleITK affine": simple("affine"),
    "ichor affine + bspline": ichor("bspline"), "elastix affine + bspline": elastix(True), "ANTs SyNQuick": ants("antsRegistrationSyNQuick[s]"), "SimpleITK affine + demons": simple("demons"),
}


def measure(name, folder):
    begin, end, warp = METHODS[name](folder)
    fixed, moving = sitk.ReadImage(f"{folder}/fixed.nii"), sitk.ReadImage(f"{folder}/moving.nii")
    truth = sitk.ReadTransform(f"{folder}/truth.tfm")
    body = sitk.GetArrayFromImage(fixed) > -20
    index = np.argwhere(body)[::53]
    want = np.array([truth.TransformPoint(fixed.TransformIndexToPhysicalPoint([int(v) for v in i[::-1]])) for i in index])
    n = moving.GetSize()
    ijk = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), -1)
    world = ijk @ (np.array(moving.GetDirection()).reshape(3, 3) * np.array(moving.GetSpacing())).T + np.array(moving.GetOrigin())
    square, known = np.zeros(len(index)), np.ones(len(index), bool)
    for c in range(3):
        image = sitk.GetImageFromArray(np.ascontiguousarray(world[..., c].transpose(2, 1, 0)).astype(np.float32))
        image.CopyInformation(moving)
        found = warp(image)[tuple(index.T)]
        known &= np.abs(found) < 5000
        square += (found - want[:, c]) ** 2
    error = np.sqrt(square[known])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN if name.startswith("ichor") else resource.RUSAGE_SELF).ru_maxrss / 1024
    return dict(wall=end[0] - begin[0], cpu=end[1] - begin[1], mean=float(error.mean()), p95=float(np.percentile(error, 95)), peak=peak, load=os.getloadavg()[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ichor", default="target/release/ichor")
    parser.add_argument("--head", required=True)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--affine-only", action="store_true", help="the truth has no deformation")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    ARGS = parser.parse_args()
    if ARGS.one:
        print(json.dumps(measure(ARGS.one, ARGS.folder)))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        prepare(ARGS.head, folder, not ARGS.affine_only)
        print("| method | wall, s | CPU, s | error mean, mm | 95 %, mm | peak memory, MB | load |\n|---|---|---|---|---|---|---|", flush=True)
        for name in ARGS.methods.split(","):
            command = [sys.executable, __file__, "--one", name, "--folder", folder, "--head", ARGS.head, "--ichor", ARGS.ichor]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1]} |", flush=True)
                continue
            r = json.loads(done.stdout.strip().splitlines()[-1])
            print(f"| {name} | {r['wall']:.2f} | {r['cpu']:.2f} | {r['mean']:.2f} | {r['p95']:.2f} | {r['peak']:.0f} | {r['load']:.1f} |", flush=True)
