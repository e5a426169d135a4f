"""What is the viewer told of us? OHIF's app-config.js, with a data source for each mount."""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from hilum.core.mounts import Mount
from hilum.frontends.dicomweb.root import aet_path

_DICOMWEB = "@ohif/extension-default.dataSourcesModule.dicomweb"
_PLAIN = re.compile(r"[^A-Za-z0-9_-]")

_SCRIPT = """
window.config.httpErrorHandler = error => {
  console.warn('a request failed:', error?.status ?? error);
  if (error?.status === 401) window.config.toLogin?.();
};
{
  // The study list's menu goes to the study list of every other mount.
  const { dataSources, defaultDataSourceName, routerBasename } = window.config;
  const shown = () => {  // OHIF writes the name of the parameter in two ways
    const said = [...new URLSearchParams(window.location.search)];
    const found = said.find(([name]) => name.toLowerCase() === 'datasources');
    return found?.[1] || defaultDataSourceName;
  };
  const goes = ({ sourceName, configuration }) => ({
    id: 'mount-' + sourceName,
    label: (sourceName === shown() ? '\\u2713 ' : '') + configuration.friendlyName,
    onClick: () => window.location.assign(
      routerBasename + '?datasources=' + encodeURIComponent(sourceName)
    ),
  });
  window.config.customizationService = [
    '@ohif/extension-default.customizationModule.datasources',
    { 'workList.settingsMenuItems': items => [...items, ...dataSources.map(goes)] },
  ];
}
"""
_LOGIN = """
window.config.toLogin = () => {
  const { pathname, search } = window.location;
  window.location.replace(PREFIX + '/login?next=' + encodeURIComponent(pathname + search));
};
"""


def to_login(prefix: str, *, now: bool) -> str:
    """What the script has besides where there are logins: the way to the page for that.

    Args:
        prefix: as in `app_config`.
        now: whether the browser is to go there at once.
    """
    script = _LOGIN.replace("PREFIX", orjson.dumps(prefix).decode())
    return script + ("window.config.toLogin();\n" if now else "")


def source_name(mount: str) -> str:
    """A mount's name in the viewer's URLs: `viewer/viewer/NAME?StudyInstanceUIDs=…`."""
    return _PLAIN.sub(lambda found: f"~{ord(found[0]):02X}", mount)


def app_config(mounts: Iterable[Mount], default: str | None, prefix: str) -> str:
    """The script.

    Args:
        mounts: those that cannot be searched are left out.
        default: AE title of the default mount.
        prefix: path of the broker as the browser sees it, without a slash at its end.
    """
    shown = [mount for mount in mounts if mount.finds is not None]
    first = next((mount for mount in shown if mount.name == default), shown[0] if shown else None)
    config = {
        "routerBasename": f"{prefix}/viewer",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 3,
        "showCPUFallbackMessage": False,
        "showLoadingIndicator": True,
        "showWarningMessageForCrossOrigin": False,
        "strictZSpacingForVolumeViewport": True,
        "showErrorDetails": "always",
        "defaultDataSourceName": source_name(first.name) if first else "",
        "dataSources": [_source(mount, prefix + aet_path(mount.name)) for mount in shown],
    }
    text = orjson.dumps(config, option=orjson.OPT_INDENT_2).decode()
    return f"window.config = {text};\n{_SCRIPT}"


def _source(mount: Mount, root: str) -> dict[str, Any]:
    """A mount as a data source. Its root is a path: whoever sees the viewer sees the mount."""
    return {
        "namespace": _DICOMWEB,
        "sourceName": source_name(mount.name),
        "configuration": {
            "friendlyName": f"{mount.name} ({mount.backend})",
            "name": mount.name,
            "qidoRoot": root,
            "wadoRoot": root,
            "stowRoot": root,
            "qidoSupportsIncludeField": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "supportsReject": False,
            "dicomUploadEnabled": mount.stores is not None,
            "imageRendering": "wadors",
            "thumbnailRendering": "thumbnail",
            "thumbnailRequestStrategy": "fetch",
            "enableStudyLazyLoad": True,
            "singlepart": "bulkdata,video,pdf",
            "bulkDataURI": {"enabled": True},
            "omitQuotationForMultipartRequest": False,
        },
    }
