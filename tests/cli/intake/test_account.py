from pathlib import Path

from hilum.cli.intake.account import KEPT, Account


def test_an_account_tells_counts_reasons_and_some_files() -> None:
    account = Account(seconds=2.0)
    for _ in range(4):
        account.keep(500_000, ("odd",))
    for number in range(7):
        account.skip(Path(f"s{number}"), "not DICOM")
    account.refuse(Path("r"), "no StudyInstanceUID")
    assert account.done == 12
    assert account.lines() == [
        "4 stored (2.0 MB in 2.0 s, 2 a second)",
        "7 skipped:",
        "  7 x not DICOM",
        *(f"      s{number}" for number in range(5)),
        "      and 2 more",
        "1 refused:",
        "  1 x no StudyInstanceUID",
        "      r",
        "4 kept though: odd",
    ]


def test_an_account_for_programs_has_the_same() -> None:
    account = Account(stopped=True)
    account.skip(Path("s"), "not DICOM")
    assert account.as_json() == {
        "stored": 0,
        "bytes": 0,
        "seconds": 0.0,
        "stopped": True,
        "skipped": [{"reason": "not DICOM", "count": 1, "files": ["s"]}],
        "refused": [],
        "warnings": {},
    }


def test_a_million_bad_files_do_not_fill_the_memory() -> None:
    account = Account()
    for number in range(KEPT + 10):
        account.skip(Path(str(number)), "not DICOM")
    assert len(account.files["not DICOM"]) == KEPT
    assert account.skipped["not DICOM"] == KEPT + 10
