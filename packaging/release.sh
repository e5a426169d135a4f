# Releases of the program, each a virtual environment of its own below /opt/hilum/releases: read by install-service.sh.
# Set there: root, scratch, opt, etc, var, kept, current, wheels, extras; from scripts/environment.sh: say, need_python.

source_stamp() { # what a release is made from: the same text for the same files
    {
        printf '%s\n' "${extras:-$(cat "$opt/extras" 2>/dev/null)}"
        if [ -n "$wheels" ]; then
            cksum "$wheels"/hilum-*.whl | awk '{ print $1, $2 }'
        else
            (cd "$root" && find src doc packaging pyproject.toml -type f ! -name '*.pyc' -exec cksum {} + | sort)
        fi
    } | cksum
}

build() { # a release, whole or not at all; its folder is $fresh
    need_python
    extras=${extras:-$(cat "$opt/extras" 2>/dev/null || :)}
    fresh="$opt/releases/$(date -u +%Y%m%d-%H%M%S)"
    mkdir -p "$opt/releases"
    # shellcheck disable=SC2154 # need_python sets it
    say "Installing the program with $python; that takes a minute."
    trap 'rm -rf "$fresh"' EXIT
    trap 'exit 130' INT TERM
    "$python" -m venv "$fresh"
    set -- install --quiet --disable-pip-version-check --no-input
    if [ -n "$wheels" ]; then
        ls "$wheels"/hilum-*.whl >/dev/null 2>&1 || {
            say "There is no wheel of Hilum in $wheels; on a machine with a network:  $0 wheels DIR"
            exit 1
        }
        set -- "$@" --no-index --find-links "$wheels" "hilum${extras:+[$extras]}"
    else
        set -- "$@" --retries 10 --timeout 60 "$root${extras:+[$extras]}"
    fi
    "$fresh/bin/python" -I -m pip "$@" || {
        say "The packages could not be installed; nothing was changed."
        exit 1
    }
    mkdir -p "$fresh/share/doc"
    cp -R "$root/doc" "$fresh/share/doc/hilum"
    printf '%s\n' "$extras" >"$opt/extras"
    source_stamp >"$fresh/source"
    trap - EXIT INT TERM
}

point() { # point RELEASE: what `current` is from now on, in one step
    ln -sfn "releases/$(basename "$1")" "$opt/current.new"
    mv -Tf "$opt/current.new" "$current"
}

version_of() { "$1/bin/python" -I -m hilum version | awk '{ print $2 }'; }

program_of() { # program_of RELEASE ARGUMENTS...: `hilum`, as the service is
    release=$1
    shift
    if [ -n "$scratch" ]; then
        HILUM_CONFIG=$etc/config.toml HILUM_SERVER__DATA=$var "$release/bin/python" -I -m hilum "$@"
    else
        RELEASE=$release "$root/packaging/hilum" "$@"
    fi
}

save() { # save FOLDER: configuration and databases, of a service that does not run; whether that went well
    mkdir -p "$1"
    chmod 711 "$kept" "$1"
    if [ -d "$etc" ]; then
        cp -Rp "$etc" "$1/etc"
        chmod 700 "$1/etc"
    fi
    mkdir -p "$1/databases"
    owned hilum:hilum 700 "$1/databases"
    program_of "$fresh" backup "$1/databases" --index >/dev/null
}

forget_old() { # all but the newest three releases and backups
    for folder in "$opt/releases" "$kept"; do
        # shellcheck disable=SC2012 # their names are dates
        ls "$folder" | sort -r | tail -n +4 | while read -r each; do
            [ "$(basename "$(readlink "$current")")" = "$each" ] || rm -rf "${folder:?}/$each"
        done
    done
}

collect() { # collect DIR: wheels of Hilum and of all that it needs, for this kind of machine
    need_python
    mkdir -p "$1"
    room=$(mktemp -d)
    trap 'rm -rf "$room"' EXIT
    "$python" -m venv "$room"
    "$room/bin/python" -I -m pip wheel --quiet --disable-pip-version-check --wheel-dir "$1" "$root${extras:+[$extras]}"
    say "$(find "$1" -name '*.whl' | wc -l) packages are in $1. On the other machine, with the same system and Python:
  sudo ./install-service.sh --wheels $1"
}
