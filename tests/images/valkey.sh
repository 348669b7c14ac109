#!/usr/bin/env bash
# Brings the image that caches run by default, valkey/valkey:8-alpine, into Docker's engine.
#
#   tests/images/valkey.sh [IMAGE]
#
# An image that is there is left alone; one that is not is pulled, for at most FLOCI_AZ_TEST_PULL_SECONDS (120). Where
# the pull does not succeed, a stand-in is made from Debian's packages and gets the same name: the same server, the same
# paths, the same user `valkey` (uid 999) to whom /data is handed at the start, but Debian's build of it.
#
# Needs an engine that answers; for the stand-in also apt-get and dpkg-deb of a Debian, of any release that has valkey.
# Never installs a package, never changes what apt reads on this machine, never replaces an image.
set -euo pipefail

image=${1:-valkey/valkey:8-alpine}
pull_seconds=${FLOCI_AZ_TEST_PULL_SECONDS:-120}

say() { printf 'valkey.sh: %s\n' "$*" >&2; }

# macOS has no timeout; there, the engine's own limits have to do.
bounded() { if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi; }

give_up() {
    say "$1"
    say "to get $image by hand: docker pull $image, or docker save it on a machine that has it and docker load it here"
    exit 1
}

docker version >/dev/null 2>&1 || give_up "no Docker engine answers: docker version says why"

if docker image inspect "$image" >/dev/null 2>&1; then
    say "$image is here"
    exit 0
fi

say "pulling $image, for at most $pull_seconds s"
if bounded "$pull_seconds" docker pull --quiet "$image" >/dev/null 2>&1; then
    say "$image is pulled"
    exit 0
fi

say "the pull did not succeed: making a stand-in from Debian's packages"
for program in apt-get dpkg-deb; do
    command -v "$program" >/dev/null || give_up "$image could not be pulled, and without $program there is no stand-in"
done
# apt tells its mirror, also before its first update (hence --no-release-info).
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --no-release-info --format '$(SITE)' | grep -m1 -E '/debian/?$') ||
    give_up "$image could not be pulled, and apt reads no mirror of Debian that could give a stand-in"
# shellcheck source=/dev/null
release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$work/packages" "$work/image"

# An apt of its own. Its list of installed packages is empty, so a download brings every library down to the C library,
# and the image does not depend on what happens to be installed here. Backports: Debian 12 has valkey only there.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] && signed="[signed-by=$keyring] " || signed=
printf 'deb %s%s %s main\n' "$signed" "$mirror" "$release" "$signed" "$mirror" "$release-backports" >"$work/sources"
: >"$work/installed"
private_apt() {
    apt-get -qq -o "Dir::Etc::sourcelist=$work/sources" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists" \
        -o "Dir::State::status=$work/installed" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root \
        -o Acquire::Languages=none "$@"
}
private_apt update
private_apt install --download-only --no-install-recommends --yes valkey-server valkey-tools busybox-static ||
    give_up "$image could not be pulled, and Debian $release has no valkey, in its backports neither"
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$work/packages"
done

# The programs, and of the libraries those that the programs load.
cd "$work/packages"
mkdir -p "$work/image"/{bin,data,etc,tmp,usr/local/bin}
chmod 1777 "$work/image/tmp"
loader=$(find . -name 'ld-linux*.so.*' -print -quit)
libraries=$(find . -name 'libc.so.6' -printf '%h\n' -o -name 'libssl.so.*' -printf '%h\n' | sort -u | paste -sd:)
for program in valkey-server valkey-cli; do
    cp -L "usr/bin/$program" "$work/image/usr/local/bin/"
    "$loader" --library-path "$libraries" --list "usr/bin/$program" | awk '/=>/ { print $1, $3 }' |
        while read -r name file; do
            # The loader has its path written into every program; the others are looked for in /lib.
            case $name in /*) target=$work/image$name ;; *) target=$work/image/lib/$name ;; esac
            mkdir -p "${target%/*}"
            cp -Ln "$file" "$target"
        done
done
ln -s valkey-server "$work/image/usr/local/bin/redis-server"
ln -s valkey-cli "$work/image/usr/local/bin/redis-cli"

# A shell and the tools that the start needs.
cp "$(find . -path '*/bin/busybox' -print -quit)" "$work/image/bin/busybox"
for applet in cat chown env find id kill ls sh sleep start-stop-daemon; do
    ln -s busybox "$work/image/bin/$applet"
done
printf '%s\n' 'root:x:0:0:root:/:/bin/sh' 'valkey:x:999:1000::/data:/bin/sh' >"$work/image/etc/passwd"
printf '%s\n' 'root:x:0:' 'valkey:x:1000:' >"$work/image/etc/group"

# What the published image does: options alone mean the server; the server does not stay root, and is reached from
# other hosts without a password being set. (--version and --help take no option beside them.)
cat >"$work/image/usr/local/bin/docker-entrypoint.sh" <<'ENTRYPOINT'
#!/bin/sh
set -e
case $1 in
-* | *.conf) set -- valkey-server "$@" ;;
esac
if [ "$1" = valkey-server ]; then
    umask 0077
    case $2 in
    -v | --version | -h | --help) ;;
    *) set -- "$@" --protected-mode no ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        find . ! -user valkey -exec chown valkey {} +
        shift
        exec start-stop-daemon -S -c valkey:valkey -x /usr/local/bin/valkey-server -- "$@"
    fi
fi
exec "$@"
ENTRYPOINT
chmod 755 "$work/image/usr/local/bin/docker-entrypoint.sh"

cd "$work/image"
tar --create --file "$work/image.tar" --owner=999 --group=1000 data
tar --append --file "$work/image.tar" --owner=0 --group=0 --exclude=./data .
docker import --change 'ENV PATH=/usr/local/bin:/bin' --change 'WORKDIR /data' --change 'VOLUME /data' \
    --change 'EXPOSE 6379' --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["valkey-server"]' \
    --message "floci-az: made from Debian $release by tests/images/valkey.sh" "$work/image.tar" "$image" >/dev/null
say "$image is here: a stand-in made from Debian $release"
