#!/usr/bin/env bash
# Proves that the front door works on a fresh machine: makes a clean Debian 12 with debootstrap, clones
# the current commit into it, and runs commands there as root. Needs root and the right to mount.
#
# The new system has Debian's smallest set plus git, make and ca-certificates: what it takes to clone
# and to call make. It takes over how this machine reaches the outside: mirror, apt's download
# settings, settings of pip, npm and Maven, proxy variables, CA certificates, resolv.conf. /proc, /sys
# and /dev (with /dev/fuse) are mounted in a mount namespace of its own, so they are gone, and every
# process left over with them, whatever way this script ends.
#
# usage: tools/fresh.sh [--keep] [--new-base] [-- COMMAND [ARGUMENT ...]]
#   COMMAND      default: make demo (once there is one), then make test
#   --keep       leave the system's folder behind, and say where
#   --new-base   debootstrap again, instead of the base saved by an earlier run
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
keep='' new_base=''
export PATH=$PATH:/usr/sbin:/sbin

say() { printf 'fresh: %s\n' "$*"; }

fail() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

# --- inside: the same script, in the namespace, with the folder of the new system -----------------
if [ "${1:-}" = --inside ]; then
  system=$2
  shift 2
  mount -t proc proc "$system/proc"
  mount --rbind /sys "$system/sys"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$system/dev/shm" || say "no /dev/shm of its own"
  carried=()
  for name in http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY \
    ${!PIP_*} ${!npm_config_*} ${!NPM_CONFIG_*} MAVEN_OPTS MAVEN_ARGS; do
    case $name in
      PIP_FIND_LINKS | PIP_REQUIRE_VIRTUALENV) ;; # of this machine, not of how it reaches the outside
      *) if [ -n "${!name+set}" ]; then carried+=("$name=${!name}"); fi ;;
    esac
  done
  for name in SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO; do
    if [ -n "${!name:-}" ] && [ -e "$system${!name}" ]; then carried+=("$name=${!name}"); fi
  done
  exec chroot "$system" /usr/bin/env -i HOME=/root USER=root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${carried[@]}" \
    /bin/bash -c 'cd /root/millrace && exec "$@"' fresh "$@" </dev/null
fi

while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=1 ;;
    --new-base) new_base=1 ;;
    --) shift; break ;;
    *) sed -n '/^# usage/,/^set -/p' "$0" | sed '$d; s/^# //' >&2; exit 2 ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || fail "needs root: debootstrap, mount and chroot do. Run: sudo $0"
if ! command -v debootstrap >/dev/null; then
  say "installing debootstrap, which makes the new system"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends debootstrap >/dev/null </dev/null
fi

# The mirrors of this machine that carry the suite: "URI SUITE", the suite's own first.
# shellcheck disable=SC2016  # apt's variables, not the shell's
format='$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)'
mirrors=$(apt-get indextargets --format "$format" | awk -v s="$suite" '
  $4 == "Packages" && $3 == "main" && $2 ~ "^" s "(-updates|-security)?$" && !seen[$1 $2]++ { print $1, $2 }' |
  sort -k 2)
mirror=$(awk -v s="$suite" '$2 == s { print $1; exit }' <<<"$mirrors")
[ -n "$mirror" ] || fail "apt's sources here name no mirror of Debian $suite"

# --- base: made once, saved beside the dependencies' folder ---------------------------------------
base=${XDG_CACHE_HOME:-$HOME/.cache}/millrace/fresh-$suite.tar
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-fresh.XXXXXX") # 0700: settings copied below stay private
system=$work/root
# shellcheck disable=SC2317  # called by the trap
clean_up() {
  local status=$?
  if [ -n "$keep" ]; then
    say "the system is left in $system"
  else
    rm -rf --one-file-system "$work"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -m 755 "$system"
if [ -n "$new_base" ] || [ ! -s "$base" ]; then
  started=$SECONDS
  say "debootstrap of $suite into a base to keep: $base"
  debootstrap --variant=minbase --include=ca-certificates,git,make "$suite" "$system" "$mirror" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; fail "debootstrap failed"; }
  mkdir -p "$(dirname "$base")"
  tar -C "$system" --exclude='./var/cache/apt/archives/*.deb' -cf "$base.new" .
  mv "$base.new" "$base"
  rm -f "$system"/var/cache/apt/archives/*.deb
  say "base made in $((SECONDS - started)) s"
else
  tar -C "$system" -xf "$base"
fi

# --- how this machine reaches the outside -----------------------------------------------------------
# carry FILE [TARGET]: this machine's file or folder, if there is one, at the same place inside
carry() {
  local target=$system${2:-$1}
  if [ -e "$1" ]; then
    mkdir -p "$(dirname "$target")"
    cp -RL --preserve=mode --remove-destination -T "$1" "$target"
  fi
}
awk '{ print "deb", $1, $2, "main" }' <<<"$mirrors" >"$system/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv|Check-Valid-Until|Check-Date|Languages)' \
  >"$system/etc/apt/apt.conf.d/99fresh" || true
for path in /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d /etc/apt/keyrings /etc/resolv.conf /etc/hosts \
  /etc/pip.conf /etc/npmrc /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates; do
  carry "$path"
done
for path in .pip/pip.conf .config/pip/pip.conf .npmrc .m2/settings.xml .m2/settings-security.xml; do
  carry "$HOME/$path" "/root/$path"
done

git -c safe.directory="$repository" clone -q --no-hardlinks "$repository" "$system/root/millrace"
commit=$(git -C "$repository" rev-parse HEAD)
git -C "$system/root/millrace" checkout -q --detach "$commit"
if [ -n "$(git -C "$repository" status --porcelain)" ]; then say "note: changes that are not committed are left out"; fi

# --- the commands -------------------------------------------------------------------------------------
run() {
  local started=$SECONDS status=0
  say "$(git -C "$repository" log -1 --format=%h "$commit"): $*"
  unshare --mount --pid --fork --kill-child --propagation private "$repository/tools/fresh.sh" --inside "$system" "$@" || status=$?
  say "$*: status $status after $((SECONDS - started)) s"
  return $status
}
{
  if [ $# -gt 0 ]; then
    run "$@"
  else
    if grep -q '^demo:' "$system/root/millrace/Makefile"; then run make demo; fi
    run make test
  fi
  exit # so that the shell reads no further, in a file that may have changed by now
}
