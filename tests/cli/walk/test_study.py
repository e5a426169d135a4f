from io import BytesIO

from pydicom import dcmread

from hilum.cli.walk.study import SERIES, SLICES, study


def test_a_study_is_the_same_in_every_run() -> None:
    assert study("A") == study("A")
    assert study("A").uid != study("B").uid


def test_a_study_has_the_series_and_slices_that_it_says() -> None:
    made = study("A")
    assert len(made.slices) == SERIES * SLICES
    assert len({each.series_uid for each in made.slices}) == SERIES
    assert len({each.sop_instance_uid for each in made.slices}) == SERIES * SLICES


def test_a_slice_is_a_valid_file_whose_names_agree() -> None:
    made = study("A")
    each = made.slices[-1]
    dataset = dcmread(BytesIO(each.part10))
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.SOPInstanceUID == each.sop_instance_uid
    assert dataset.StudyInstanceUID == made.uid
    assert dataset.PatientID == made.patient_id
    assert dataset.Rows * dataset.Columns * 2 == len(dataset.PixelData)
