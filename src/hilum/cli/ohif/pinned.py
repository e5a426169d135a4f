"""Which OHIF is it? The one package that is installed, by its version and the hash of its bytes."""

PACKAGE = "@ohif/app"
VERSION = "3.13.2"
LICENCE = "MIT"
INTEGRITY = (
    "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjj"
    "kycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
)
"""As npm has it (`npm view @ohif/app@3.13.2 dist.integrity`)."""
SIZE = 49_906_651  # bytes of the package
MAX_UNPACKED = 400_000_000  # bytes of all its files; it has 213 MB
MAX_FILES = 2_000  # it has 249
REGISTRY = "https://registry.npmjs.org"
FILE = f"ohif-app-{VERSION}.tgz"  # as `npm pack` names it
EDITION = 1  # of what `laid.py` makes of it; one more with each change of that
RELEASE = f"ohif-{VERSION}-{EDITION}"


def url(registry: str) -> str:
    """Where a registry has the package."""
    return f"{registry.rstrip('/')}/{PACKAGE}/-/app-{VERSION}.tgz"
