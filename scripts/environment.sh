# Which Python, which packages: read by the scripts beside it (. scripts/environment.sh).
# `root` is set by them: the folder of the checkout.

say() { printf '%s\n' "$*" >&2; }

works() { # a Python that starts (a pyenv shim may point to nothing) and is new enough
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

complete() { # one that can make virtual environments (Debian keeps that in a package of its own)
    "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}

pythons() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        for each in "$name" "/usr/bin/$name" "/usr/local/bin/$name"; do
            if works "$each"; then printf '%s\n' "$each"; fi
        done
    done
}

find_python() { # the first that is complete, else the first that works
    found=
    for each in $(pythons); do
        if complete "$each"; then
            printf '%s\n' "$each"
            return
        fi
        found=${found:-$each}
    done
    printf '%s\n' "$found"
}

debian() { command -v apt-get >/dev/null 2>&1; }

install_packages() { # Debian packages, as root; the services they bring are not started
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=yes
        trap 'rm -f "$policy"' EXIT
    fi
    status=0
    {
        get() { # a mirror that fails is asked again; another apt-get is waited for
            DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=5 \
                -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=120 "$@"
        }
        get update || say "apt-get update failed; going on with the lists that are here."
        get install -y --no-install-recommends "$@"
    } >&2 || status=$?
    if [ -n "$made" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
    return "$status"
}

need_python() {
    python=$(find_python)
    if [ -n "$python" ] && complete "$python"; then return; fi
    if [ -n "$python" ]; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        package="python$version-venv"
    else
        package="python3-venv"
    fi
    if debian && [ "$(id -u)" = 0 ]; then
        say "Installing $package, which Python needs to make a virtual environment."
        install_packages "$package" || say "apt-get could not install $package."
        python=$(find_python)
        if [ -n "$python" ] && complete "$python"; then return; fi
    fi
    if [ -z "$python" ]; then
        say "Hilum needs Python 3.11 or newer, with its venv module; there is none here."
    else
        say "$python cannot make virtual environments: its venv module is a package of its own."
    fi
    if debian; then say "Install it and start again:  sudo apt-get install $package"; fi
    exit 1
}

environment() { # .venv with the project and the named extras; quick when nothing has changed
    extras=${1:+[$1]}
    venv="$root/.venv"
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        need_python
        say "Making .venv with $python"
        "$python" -m venv --clear "$venv"
    fi
    stamp="$venv/.installed${1:+-$1}"
    now=$("$venv/bin/python" -V && cksum <"$root/pyproject.toml" && printf '%s\n' "$root")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return; fi
    say "Installing Hilum and what it needs into .venv"
    install_project() {
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --retries 10 --timeout 60 --editable "$root$extras"
    }
    install_project || {
        say "That failed; trying once more."
        sleep 10
        install_project
    }
    printf '%s\n' "$now" >"$stamp"
}
