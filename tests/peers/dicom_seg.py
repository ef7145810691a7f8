"""Reads a DICOM SEG with pydicom and highdicom and holds it against the source images.

    python tests/peers/dicom_seg.py SEG SOURCE_FOLDER [EXPECTED]

EXPECTED, if given, holds one line a source slice in the order of position: the number of marked pixels. Prints the
versions, segments and marked pixels of each slice; ends with an error when anything does not fit.
"""

import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom

seg_path, source_folder = sys.argv[1:3]
plain = pydicom.dcmread(seg_path)
seg = highdicom.seg.segread(seg_path)
sources = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(Path(source_folder).iterdir()) if p.is_file()]
sources = [s for s in sources if s.SeriesInstanceUID == plain.ReferencedSeriesSequence[0].SeriesInstanceUID]
row, column = np.array(sources[0].ImageOrientationPatient, float).reshape(2, 3)
sources.sort(key=lambda s: np.cross(row, column) @ np.array(s.ImagePositionPatient, float))

assert plain.SOPClassUID == pydicom.uid.SegmentationStorage
assert plain.StudyInstanceUID == sources[0].StudyInstanceUID
assert plain.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
assert (plain.Rows, plain.Columns) == (sources[0].Rows, sources[0].Columns)
referenced = {i.ReferencedSOPInstanceUID for i in plain.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
assert referenced == {s.SOPInstanceUID for s in sources}, "every source image is referred to, and no other"
frames = plain.pixel_array.reshape(-1, plain.Rows, plain.Columns)
by_uid = {s.SOPInstanceUID: s for s in sources}
for group, frame in zip(plain.PerFrameFunctionalGroupsSequence, frames):
    image = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    position = group.PlanePositionSequence[0].ImagePositionPatient
    assert np.allclose(position, by_uid[image].ImagePositionPatient, atol=1e-4), "frames lie on their source images"

numbers = list(seg.segment_numbers)
pixels = seg.get_pixels_by_source_instance(
    source_sop_instance_uids=[s.SOPInstanceUID for s in sources],
    segment_numbers=numbers,
    assert_missing_frames_are_empty=True,
)
marked = pixels.sum(axis=(1, 2))
assert marked.sum() == frames.sum()
print(f"pydicom {pydicom.__version__}, highdicom {highdicom.__version__}, numpy {np.__version__}")
for number in numbers:
    description = seg.get_segment_description(number)
    print(f"segment {number}: {description.segment_label}, {description.segmented_property_type.meaning}")
print(f"{len(frames)} frames; marked pixels a slice: {' '.join(str(int(n)) for n in marked.sum(axis=1))}")
if len(sys.argv) > 3:
    expected = [int(line) for line in Path(sys.argv[3]).read_text().split()]
    assert expected == [int(n) for n in marked.sum(axis=1)], expected
    print("as expected")
