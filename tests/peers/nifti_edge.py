"""What nibabel makes of each file of a folder, as a table that `tests/examples/nifti_edge.rs` holds Ichor against.

    python tests/peers/nifti_edge.py FOLDER > tests/peers/nifti-edge.tsv
"""

import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
print(f"# nibabel {nibabel.__version__}, numpy {np.__version__}")
print("\t".join(["file", "volume", "shape", "min", "max", "sum", "weighted", "affine", "error"]))
for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "README.md"):
    name = str(path.relative_to(folder))
    volume = "1" if name.endswith("example_nifti2.nii.gz") else ""
    try:
        image = nibabel.load(path)
        if image.get_data_dtype().fields or np.iscomplexobj(np.empty(0, image.get_data_dtype())):
            raise ValueError(f"voxels of {image.get_data_dtype()}")
        data = image.get_fdata()
        data = data[..., int(volume)] if volume else data
        data = data.reshape((data.shape + (1, 1))[:3])
        flat = data.ravel(order="F")
        values = [flat.min(), flat.max(), flat.sum(), (flat * (np.arange(flat.size) % 97)).sum()]
        kind = type(image).__name__
        if not kind.startswith("Nifti"):
            raise ValueError(f"read as {kind}, which does not say which side is left")
        affine = " ".join(repr(float(v)) for v in image.affine[:3].ravel())
        print("\t".join([name, volume, "x".join(map(str, data.shape)), *(repr(float(v)) for v in values), affine, ""]))
    except Exception as error:  # whatever it is, it is written down
        text = " ".join(f"{type(error).__name__}: {error}".replace(str(folder), "").split())
        print("\t".join([name, volume, *[""] * 6, text[:160]]))
