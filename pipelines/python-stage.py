"""A stage written in Python: the voxels of a CT between two values, within a cavity.

    python-stage.py CT.nii CAVITY.nii MASK.nii LOWER UPPER

Needs nothing but Python's standard library. The files are those that exec-image hands over: NIfTI-1, one file,
uncompressed, little-endian; here int16 (the CT) and uint8 (the masks).
"""

import array
import struct
import sys


def read(path, code, name):
    """The header of a file, and its voxels as an array of type `code` (NIfTI's type number, the array's letter)."""
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack_from("<i", data, 0)
    found, = struct.unpack_from("<h", data, 70)
    start, = struct.unpack_from("<f", data, 108)
    if size != 348 or found != code[0]:
        sys.exit(f"{path}: {name} is to be a NIfTI-1 file of type {code[0]}, not {found}")
    voxels = array.array(code[1], data[int(start):])
    if sys.byteorder == "big":
        voxels.byteswap()
    return bytearray(data[:int(start)]), voxels


def main():
    ct_path, cavity_path, mask_path = sys.argv[1:4]
    lower, upper = float(sys.argv[4]), float(sys.argv[5])
    header, ct = read(ct_path, (4, "h"), "the CT")
    _, cavity = read(cavity_path, (2, "B"), "the cavity")
    if len(ct) != len(cavity):
        sys.exit(f"{len(ct)} voxels of CT and {len(cavity)} of cavity: they must lie on one grid")
    mask = bytes(inside and lower <= hu <= upper for hu, inside in zip(ct, cavity))
    # The CT's header with another type of voxel: the affine stays what it was.
    struct.pack_into("<hh", header, 70, 2, 8)
    with open(mask_path, "wb") as file:
        file.write(header + mask)
    print(f"{sum(mask)} of {len(mask)} voxels lie between {lower:g} and {upper:g} HU")


main()
