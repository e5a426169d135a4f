"""A configuration with a mount of each kind."""

from typing import Any

from hilum.config.schema import Settings

TOLD: dict[str, Any] = {
    "mounts": {
        "ARCHIVE": {"default": True, "delete": True},
        "PACS": {
            "backend": "dimse",
            "aet": "ORTHANC",
            "host": "pacs.example.org",
            "port": 4242,
            "retrieve": "move",
            "receivers": ["RECEIVER"],
        },
        "CLOUD": {"backend": "dicomweb", "url": "https://cloud.example.org/rs", "bearer": "hush"},
    },
    "peers": {"VIEWER": {"aet": "VIEWER", "host": "10.0.0.1", "port": 104}},
}


def settings(**sections: Any) -> Settings:
    """The settings of it, with other sections."""
    return Settings.model_validate({**TOLD, **sections})
