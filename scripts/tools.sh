# shellcheck shell=bash
# Finds or installs development tools, for scripts that source this file.
#
#   find_tool NAME     prints the program's path. If it is not on PATH, installs the version that
#                      scripts/tools/NAME.txt pins
#
# Each tool has its own Python environment in the user's cache, where the next run finds it.

TOOLS_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/auth-gateway/tools

find_tool() {
  local name=$1 pinned=scripts/tools/$1.txt folder log
  if command -v "$name"; then return; fi
  # The name depends on the pinned version, so that another version gets another directory.
  folder=$TOOLS_DIR/$name-$(cksum <"$pinned" | cut -d ' ' -f 1)
  if [[ ! -x $folder/bin/$name ]]; then
    mkdir -p "$TOOLS_DIR"
    log=$folder.log
    printf '%s: installing %s\n' "${0##*/}" "$name" >&2
    if ! { install_wheel "$folder" "$pinned" || install_crate "$folder" "$name" "$pinned"; } >"$log" 2>&1; then
      tail -n 5 "$log" >&2
      rm -rf "$folder"
      return 1
    fi
  fi
  printf '%s\n' "$folder/bin/$name"
}

install_wheel() {
  python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$2"
}

# For machines without Python or without a wheel. Takes minutes instead of seconds.
install_crate() {
  local version
  [[ $2 == cargo-* ]] || return
  version=$(sed -n 's/^[^#]*==\([0-9.]*\).*/\1/p' "$3")
  rm -rf "$1"
  cargo install --locked --quiet --root "$1" --version "$version" "$2"
}
