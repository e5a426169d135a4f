#!/bin/sh
# Hilum as a systemd service of this machine: install it, bring it up to date, look at it, take it away.
#
#   sudo ./install-service.sh               install it and start it; where it is installed: put right what is not as it should be
#   sudo ./install-service.sh upgrade       a new release of the program; the old one again if the new one does not become ready
#   sudo ./install-service.sh uninstall     take away the program; configuration, images and user stay
#                             --purge       them too: all that was ever stored is gone
#   sudo ./install-service.sh status        version, whether it runs and is ready, where things are
#                                           (ends with 0: ready, 1: not ready, 3: does not run, 4: is not installed)
#   ./install-service.sh print              the unit
#   ./install-service.sh wheels DIR         fetch all packages into DIR, for a machine without a network
#
#   --wheels DIR   (install, upgrade) take the packages from DIR, and nothing from the network
#   --extras LIST  (install, upgrade, wheels) optional packages, such as codecs; remembered
#   --root DIR     everything below DIR, nothing of the running machine: to make a package, and for tests.
#                  Services are started only if $SYSTEMCTL says by what.
set -eu
root=$(cd "$(dirname "$0")" && pwd)
. "$root/scripts/environment.sh"
umask 022

usage() {
    sed -n '2,/^set -eu$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

verb=
wheels=
extras=
scratch=
purge=
into=
while [ "$#" -gt 0 ]; do
    case "$1" in
    install | upgrade | uninstall | status | print | wheels)
        [ -z "$verb" ] || usage
        verb=$1
        if [ "$verb" = wheels ]; then
            [ "$#" -gt 1 ] || usage
            into=$2
            shift
        fi
        ;;
    --print) verb=print ;;
    --purge) purge=yes ;;
    --wheels | --extras | --root)
        [ "$#" -gt 1 ] || usage
        case "$1" in
        --wheels) wheels=$(cd "$2" && pwd) ;;
        --extras) extras=$2 ;;
        --root) mkdir -p "$2" && scratch=$(cd "$2" && pwd) ;;
        esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done
verb=${verb:-install}
[ -z "$purge" ] || [ "$verb" = uninstall ] || usage

opt=$scratch/opt/hilum         # releases, and `current`, which points to one of them
etc=$scratch/etc/hilum         # config.toml, tls, credentials
var=$scratch/var/lib/hilum     # images, state, the viewer
kept=$scratch/var/backups/hilum # what an upgrade may have to go back to
unit=$scratch/etc/systemd/system/hilum.service
command=$scratch/usr/local/bin/hilum
current=$opt/current

. "$root/packaging/release.sh"

if [ -n "$scratch" ]; then systemctl=${SYSTEMCTL:-}; else systemctl=${SYSTEMCTL:-systemctl}; fi
control() { # systemctl, where there is one to be asked
    [ -z "$systemctl" ] || "$systemctl" "$@"
}
runs() { [ -n "$systemctl" ] && "$systemctl" --quiet is-active hilum.service; }

owned() { # owned OWNER MODE PATH...: not in a scratch root, which does not know our user
    owner=$1
    mode=$2
    shift 2
    chmod "$mode" "$@"
    [ -n "$scratch" ] || chown "$owner" "$@"
}

by_root() {
    [ -z "$scratch" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "That is for root:  sudo $0 $verb"
        exit 1
    fi
    command -v "$systemctl" >/dev/null 2>&1 || {
        say "This machine has no systemd; scripts/run starts Hilum in the foreground."
        exit 1
    }
}

unit_text() { # the unit, as this machine's systemd can read it
    version=$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')
    case "$version" in
    *[!0-9]* | "") version=250 ;;
    esac
    if [ "$version" -ge 250 ]; then
        cat "$root/packaging/hilum.service"
    else # a folder of credentials came with 250
        sed '/^LoadCredential=/d; /CREDENTIALS_DIRECTORY/d' "$root/packaging/hilum.service"
    fi
}

make_places() { # user, folders, command and unit, as they should be
    [ -n "$scratch" ] || id hilum >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --home-dir /var/lib/hilum --shell /usr/sbin/nologin hilum
    mkdir -p "$etc/credentials" "$var/tmp" "$(dirname "$unit")" "$(dirname "$command")"
    owned root:hilum 750 "$etc"
    owned root:root 700 "$etc/credentials"
    owned hilum:hilum 750 "$var" "$var/tmp"
    cp "$root/packaging/hilum" "$command"
    chmod 755 "$command"
    unit_text >"$unit.new"
    mv "$unit.new" "$unit"
    control daemon-reload
}

make_configuration() { # a first one: TLS and logins are on; only this machine can call
    if [ ! -e "$etc/tls/key.pem" ] && [ ! -e "$etc/config.toml" ]; then
        set -- --host localhost --host 127.0.0.1 --host ::1
        for each in $(hostname 2>/dev/null || :) $(hostname -f 2>/dev/null || :) $(hostname -I 2>/dev/null || :); do
            set -- "$@" --host "$each"
        done
        "$current/bin/python" -I -m hilum cert self-signed --days 3650 --folder "$etc/tls" "$@" >/dev/null
        owned root:hilum 750 "$etc/tls"
        owned root:hilum 640 "$etc/tls/key.pem" "$etc/tls/cert.pem"
    fi
    if [ ! -e "$etc/config.toml" ]; then
        # the shipped configuration, with what it has as comments on TLS and logins turned on
        sed -e 's|^data = "./data" .*|data = "/var/lib/hilum"            # all that is kept|' \
            -e 's|^# \(tls = true .*\)|\1|' -e '/^\[http\]/,/^$/s|^port = 8080|port = 8443|' \
            -e '/^# \[auth\]/,/^$/s|^# ||' -e '/^# \[tls\]/,/^$/s|^# ||' \
            -e 's|http://127.0.0.1:8080/aets|https://127.0.0.1:8443/aets|' "$root/config.toml" >"$etc/config.toml.new"
        mv "$etc/config.toml.new" "$etc/config.toml"
    fi
    owned root:hilum 640 "$etc/config.toml"
}

next_steps() {
    say "
Hilum $(version_of "$current") is installed, and $(if runs; then echo "ready at https://127.0.0.1:8443"; else echo "not started"; fi).
  configuration   $etc/config.toml
  certificate     $etc/tls, self-signed: put one of your authority there
  images          $var
  log             journalctl -u hilum

Next: what stands behind it, who may call it, and from where.
  sudo hilum token create NAME --may echo,query,retrieve,store     a first login, shown once
  sudoedit $etc/config.toml                   bind = \"0.0.0.0\" lets the network in
  sudo systemctl restart hilum
  sudo hilum viewer install                              OHIF, at https://$(hostname 2>/dev/null || echo HOST):8443/viewer
INSTALL.md goes through it step by step."
}

install_service() {
    by_root
    if [ -e "$opt/pyvenv.cfg" ] || { [ -e "$current" ] && [ "$(cat "$current/source" 2>/dev/null)" != "$(source_stamp)" ]; }; then
        say "Hilum is installed already, from other files: bringing it up to date."
        upgrade_service
        return
    fi
    first=
    if [ ! -e "$current" ]; then
        first=yes
        build
        point "$fresh"
    fi
    make_places
    make_configuration
    control enable --quiet hilum.service
    # a unit or a configuration that was changed by hand is taken by `systemctl restart hilum`
    runs || control start hilum.service || {
        say "Hilum does not start:"
        program_of "$current" check || say "See  journalctl -u hilum -n 50"
        exit 1
    }
    if [ -n "$first" ]; then next_steps; else say "Hilum $(version_of "$current") is installed."; fi
}

upgrade_service() {
    by_root
    [ -e "$current" ] || [ -e "$opt/pyvenv.cfg" ] || {
        say "Hilum is not installed here:  sudo $0 install"
        exit 4
    }
    old=$(readlink "$current" || :)
    build # the old one serves meanwhile
    ran=
    case "$(control is-active hilum.service || :)" in
    inactive | unknown | "") ;; # somebody has stopped it, or nobody can start it
    *)
        ran=yes
        control stop hilum.service
        ;;
    esac
    backup="$kept/$(basename "$fresh")"
    if ! save "$backup"; then
        say "The state could not be saved; the release that was there stays."
        [ -z "$ran" ] || control start hilum.service
        rm -rf "$fresh" "$backup"
        exit 1
    fi
    cp "$unit" "$backup/hilum.service" 2>/dev/null || :
    point "$fresh"
    make_places
    make_configuration
    if [ -z "$ran" ]; then
        say "Hilum did not run, and was not started; what was before is in $backup."
    elif ! control start hilum.service; then
        say "The new release does not become ready:  journalctl -u hilum -n 50"
        if [ -n "$old" ]; then go_back; else say "The old one was of another kind; what was before is in $backup."; fi
        exit 1
    fi
    for each in bin lib lib64 include share pyvenv.cfg; do rm -rf "${opt:?}/$each"; done # of the first versions
    forget_old
    say "Hilum $(version_of "$current") is installed; what was before is in $backup."
}

go_back() { # to the old release, with what it had
    control stop hilum.service || :
    point "$old"
    program_of "$fresh" restore "$backup/databases" --index >/dev/null 2>"$backup/restore.log" ||
        grep -q "no backup in it" "$backup/restore.log" || cat "$backup/restore.log" >&2
    cp "$backup/hilum.service" "$unit"
    control daemon-reload
    rm -rf "$fresh"
    if control start hilum.service; then
        say "Hilum $(version_of "$current"), which was there before, runs again."
    else
        say "The old release does not start either; configuration and state are in $backup."
    fi
}

uninstall_service() {
    by_root
    if [ -z "$purge" ] && [ ! -e "$opt" ] && [ ! -e "$unit" ]; then
        say "Hilum is not installed here."
        return
    fi
    if [ -n "$purge" ] && [ -t 0 ]; then
        printf 'All images, the state and the configuration will be deleted. Type "purge" to go on: ' >&2
        read -r answer
        [ "$answer" = purge ] || exit 1
    fi
    if [ -e "$unit" ]; then
        control disable --quiet --now hilum.service || :
        rm -f "$unit"
        control daemon-reload
    fi
    rm -rf "$opt" "$command"
    if [ -z "$purge" ]; then
        say "Hilum is removed. Configuration and images stay in $etc and $var."
        return
    fi
    rm -rf "$etc" "$var" "$kept" "$unit.d"
    [ -n "$scratch" ] || ! id hilum >/dev/null 2>&1 || userdel hilum
    say "Hilum is removed, with configuration and images. Folders that mounts.NAME.path named are left alone."
}

show_status() {
    [ -e "$current" ] || {
        echo "Hilum is not installed."
        exit 4
    }
    state="does not run"
    code=3
    said=
    if runs; then
        if said=$(program_of "$current" ready 2>&1); then
            state="runs and is ready"
            code=0
        else
            state="runs and is not ready"
            code=1
        fi
    fi
    cat <<STATUS
Hilum $(version_of "$current") $state.
  program         $(readlink -f "$current")
  configuration   $etc/config.toml
  images          $var
  backups         $kept
  unit            $unit
STATUS
    [ -z "$said" ] || printf '  says            %s\n' "$said"
    exit "$code"
}

case "$verb" in
print) unit_text ;;
wheels) collect "$into" ;;
install) install_service ;;
upgrade) upgrade_service ;;
uninstall) uninstall_service ;;
status) show_status ;;
esac
