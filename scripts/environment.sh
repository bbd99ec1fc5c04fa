# Sourced by the other scripts: makes the virtual environment .venv and installs endplate into it.
#
#   environment base    what scoring needs
#   environment dev     what training and the tests need, too
#
# Sets `bin` to the folder of its programs. ENDPLATE_VENV names an environment to use as it is,
# PYTHON the interpreter to make one with.

say() { printf '%s\n' "$*" >&2; }

fail() { say "$(basename "$0"): $*"; exit 2; }

# Install Debian packages if that is possible without asking.
install_packages() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  say "Installing $* with apt-get ..."
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
}

find_python() {
  python=${PYTHON:-python3}
  command -v "$python" >/dev/null || install_packages python3 python3-venv ||
    fail "Python 3.11 or later is needed. On Debian or Ubuntu: sudo apt-get install python3 python3-venv"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or later is needed, $python is $("$python" -V 2>&1); name another one with PYTHON=..."
  "$python" -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv ||
    fail "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"
}

environment() {
  if [ -n "${ENDPLATE_VENV:-}" ]; then
    bin=$ENDPLATE_VENV/bin
    [ -x "$bin/endplate" ] || fail "ENDPLATE_VENV=$ENDPLATE_VENV holds no endplate"
    return
  fi
  bin=.venv/bin
  if ! "$bin/python" -c '' 2>/dev/null; then
    find_python
    say "Making the virtual environment .venv ..."
    "$python" -m venv --clear .venv || fail "the virtual environment .venv could not be made"
  fi
  local target=. stamp
  [ "$1" = dev ] && target='.[train,dev]'
  # Install again only after the requirements have changed.
  stamp=".venv/.installed-$1-$(cat pyproject.toml constraints.txt | cksum | tr ' ' '-')"
  [ -e "$stamp" ] && return
  say "Installing endplate and what it needs into .venv ($1) ..."
  "$bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt -e "$target" ||
    fail "the installation failed; see above"
  touch "$stamp"
}
