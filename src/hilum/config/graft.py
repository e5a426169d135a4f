"""How does a mount get into the file of a configuration? As text: comments and layout stay."""

from collections.abc import Mapping, Sequence

from hilum.config.edit import File, parsed


def with_mount(
    before: File, name: str, settings: Mapping[str, str | bool | int | Sequence[str]], table: str
) -> str:
    """The text, as it is shown, with a mount in it.

    Args:
        before: the file.
        name: of the mount.
        settings: take the place of those that a mount of that name has.
        table: the whole mount, where there is none of that name.

    Raises:
        ConfigError: the file is no TOML.
    """
    document = parsed(before.path, before.shown)
    mounts = document.get("mounts", {})
    if name not in mounts:
        return f"{before.shown.rstrip()}\n\n{table}".lstrip()
    for key, value in settings.items():
        if mounts[name].get(key) != value:
            mounts[name][key] = value
    return str(document.as_string())
