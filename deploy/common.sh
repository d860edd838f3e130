# shellcheck shell=bash
# What the scripts of this folder share: how they speak, and how they find what they need.
# Sourced after `set -euo pipefail`.

REPO=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
export DEBIAN_FRONTEND=noninteractive
umask 022

# Packages to build with, and those that a node needs besides.
BUILD_PACKAGES=(gcc libc6-dev libseccomp-dev)
NODE_PACKAGES=(libseccomp2 nftables iproute2 ca-certificates)

say() { printf '\n==> %s\n' "$*" >&2; }
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { warn "$@"; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "$1: run this as root"; }

need_debian() {
  local name=this
  if [ -r /etc/os-release ]; then name=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}"); fi
  command -v apt-get dpkg-query >/dev/null ||
    die "this script installs Debian's packages, and $name has no apt-get: use Debian 12 or newer"
  grep -Eqs '^(ID|ID_LIKE)=.*debian' /etc/os-release || warn "made for Debian 12; on $name it may not find every package"
}

# missing_packages NAME...: those that are not installed.
missing_packages() {
  local package
  for package; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# install_packages NAME...: installs those that are missing, and asks for new lists only if they are needed.
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  need_root "can't install ${missing[*]}"
  say "installing ${missing[*]}"
  log=$(mktemp)
  if ! apt_get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    # No lists yet, or so old that they name files that are gone.
    { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || {
      cat "$log" >&2
      rm -f "$log"
      die "can't install ${missing[*]}: see apt-get's words above"
    }
  fi
  rm -f "$log"
}

# Another apt-get may be at work, as on a machine that has just started.
apt_get() { apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null; }

# need_rust: finds a cargo that is new enough, also where rustup puts it, or says how to get one.
need_rust() {
  local wanted found how
  PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
  wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$REPO/Cargo.toml")
  how="Install it with rustup, then run this again:

    apt-get install -y curl ca-certificates
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain stable

If Rust is installed for another user, hand on where it is: sudo env PATH=\"\$PATH\" $0"
  command -v cargo >/dev/null || die "Rust $wanted or newer is needed, and there is no cargo. $how"
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
  [ -n "$found" ] || die "Rust $wanted or newer is needed, and cargo does not work ('cargo --version' fails). $how"
  printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V -C ||
    die "Rust $wanted or newer is needed, and cargo is $found. Run 'rustup update stable' if it came from rustup. $how"
}

# Where cargo puts what it builds.
target_dir() {
  (cd "$REPO" && cargo metadata --format-version 1 --no-deps --offline --locked) |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}
