#!/bin/sh
# Install Hilum as a systemd service of this machine, or bring an installed one up to date.
#
#   sudo ./install-service.sh           program in /opt/hilum, configuration in /etc/hilum/config.toml,
#                                       images in /var/lib/hilum; started now and at every boot
#   ./install-service.sh --print        only show the unit
set -eu
root=$(cd "$(dirname "$0")" && pwd)
. "$root/scripts/environment.sh"

unit() {
    cat <<UNIT
[Unit]
Description=Hilum, a gate between DIMSE and DICOMweb
Documentation=file:/opt/hilum/share/doc/hilum
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
User=hilum
Group=hilum
UMask=0027
ExecStartPre=+/bin/mkdir -p /var/lib/hilum/tmp
ExecStartPre=+/bin/chown hilum:hilum /var/lib/hilum/tmp
ExecStart=/opt/hilum/bin/hilum run --config /etc/hilum/config.toml
Environment=TMPDIR=/var/lib/hilum/tmp PYTHONDONTWRITEBYTECODE=1
StateDirectory=hilum
StateDirectoryMode=0750
ConfigurationDirectory=hilum
ConfigurationDirectoryMode=0750
Restart=on-failure
RestartSec=5
# longer than graceful_shutdown of [dimse] and [http]
TimeoutStopSec=60
LimitNOFILE=65536

# ports below 1024, such as 104
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
# an archive elsewhere (mounts.NAME.path) needs a line of its own:
# ReadWritePaths=/srv/images

[Install]
WantedBy=multi-user.target
UNIT
}

if [ "${1:-}" = --print ]; then
    unit
    exit
fi
if [ "$(id -u)" != 0 ]; then
    say "A service is installed by root:  sudo $0"
    exit 1
fi
command -v systemctl >/dev/null 2>&1 || {
    say "This machine has no systemd; scripts/run starts Hilum in the foreground."
    exit 1
}

id hilum >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /var/lib/hilum --shell /usr/sbin/nologin hilum
if ! /opt/hilum/bin/python -m pip --version >/dev/null 2>&1; then
    need_python
    "$python" -m venv --clear /opt/hilum
fi
/opt/hilum/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "$root"
mkdir -p /opt/hilum/share/doc
rm -rf /opt/hilum/share/doc/hilum
cp -R "$root/doc" /opt/hilum/share/doc/hilum

mkdir -p /etc/hilum
if [ ! -e /etc/hilum/config.toml ]; then
    sed 's|^data = "./data" .*|data = "/var/lib/hilum"            # all that is kept|' \
        "$root/config.toml" >/etc/hilum/config.toml
fi
chown -R root:hilum /etc/hilum
chmod 750 /etc/hilum
chmod 640 /etc/hilum/config.toml

unit >/etc/systemd/system/hilum.service
systemctl daemon-reload
systemctl enable hilum.service
systemctl restart hilum.service
systemctl --no-pager --lines=20 status hilum.service
