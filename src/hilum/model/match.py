"""One answer to a query."""

from collections.abc import Mapping
from typing import Any, Protocol


class Match(Protocol):
    """One answer; each form is made only when it is asked for.

    It has the level's default attributes (PS3.18 Tables 10.6.3-3 to 10.6.3-5; at PATIENT
    level the patient attributes and counts), the unique keys of the levels above, and what
    the query included or matched on. Text is Unicode. RetrieveURL is only there where
    `retrieve_root` is given.
    """

    def dicom_json(self, retrieve_root: str | None = None) -> bytes:
        """The DICOM JSON object (PS3.18 Annex F), UTF-8, attributes in the order of their tags.

        Args:
            retrieve_root: base URL of the mount, without a slash at its end
                (`http://host/aets/ARCHIVE`), from which RetrieveURL (0008,1190) is made.
        """

    def decoded(self) -> Mapping[str, Any]:
        """The same, read: attributes by tag in eight digits. Not to be changed."""
