"""Lines that the help of each command ends with, to be tried as they stand."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("hilum run", "hilum run --config /etc/hilum/config.toml --examples"),
    "reload": ("hilum reload", "hilum reload --config /etc/hilum/config.toml --json"),
    "check": ("hilum check", "hilum check --config new.toml --json"),
    "config": ("hilum config", "hilum config --print"),
    "ready": ("hilum ready", "hilum ready --wait 30s"),
    "backup": ("hilum backup /var/backups/hilum",),
    "restore": ("hilum restore /var/backups/hilum",),
    "explain": (
        "hilum explain 'GET /aets/PACS/studies?PatientName=A*'",
        "hilum explain 'GET /dicomweb/studies' --as VIEWER",
        "hilum explain --mount PACS --level series --key StudyInstanceUID=1.2.3",
    ),
    "conformance": (
        "hilum conformance --output conformance.md",
        "hilum conformance --format json",
    ),
    "import": ("hilum import /media/cdrom", "hilum import --mount ARCHIVE images more/images"),
    "echo": ("hilum echo PACS@pacs.example.org:104", "hilum echo VIEWER --calling HILUM"),
    "find": (
        "hilum find VIEWER --key PatientName='doe*' --key StudyDate=20250101-",
        "hilum find PACS@pacs.example.org:104 --level series --key StudyInstanceUID=1.2.3 --json",
    ),
    "get": ("hilum get VIEWER --key StudyInstanceUID=1.2.3 --output images",),
    "move": ("hilum move VIEWER --key StudyInstanceUID=1.2.3 --destination ARCHIVE",),
    "store": ("hilum store PACS@pacs.example.org:104 images",),
    "probe": ("hilum probe PACS@pacs.example.org:104 --receiver HILUM", "hilum probe PACS"),
    "selftest": ("hilum selftest", "hilum selftest --mount ARCHIVE --store --token token.txt"),
    "capture": (
        "hilum capture --listen 11119 --to dimse --output trouble.jsonl",
        "hilum capture --listen 8089 --to http --connections 0 --output viewer.jsonl",
    ),
    "replay": ("hilum replay trouble.jsonl 127.0.0.1:11112",),
    "viewer install": ("hilum viewer install", "hilum viewer install --from ohif.tgz"),
    "viewer status": ("hilum viewer status --json",),
    "viewer remove": ("hilum viewer remove",),
    "demo": ("hilum demo", "hilum demo --crossing"),
    "cert self-signed": ("hilum cert self-signed --host images.example.org --days 90",),
    "token create": (
        "hilum token create 'CT 1' --may store --mounts ARCHIVE --expires 90d",
        "hilum token create viewer --may query,retrieve",
    ),
    "token list": ("hilum token list",),
    "token revoke": ("hilum token revoke 'CT 1'",),
    "queue list": ("hilum queue list --dead", "hilum queue list --target ARCHIVE --json"),
    "queue retry": ("hilum queue retry 7 9", "hilum queue retry --dead"),
    "queue drop": ("hilum queue drop 7",),
    "version": ("hilum version --json",),
}
"""By the words behind `hilum`; tests/habits holds them against the commands."""


def epilog(name: str) -> str | None:
    """What stands below the help of a command; None where it has no examples."""
    lines = EXAMPLES.get(name)
    return "\n\n".join(["Examples:", *lines]) if lines else None
