#!/bin/sh
# Run the tests of control groups on a kernel of their own: Linux in user mode, Debian's package `user-mode-linux`, with
# cgroup version 2, and with this machine's files, read-only, its systemd among them if it has one. Needs no KVM and no
# disk, and a gigabyte of memory.
#
#   tests/worker/on_cgroup2.sh [PYTEST ARGUMENTS]     status: pytest's; 3 when there is no such kernel to be had here
#
# The kernel is $MILLRACE_UML, `linux.uml` on the PATH, or fetched by apt-get into a scratch folder (nothing is installed).
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}

if [ "${1:-}" = --inside ]; then # the first process of that kernel
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t tmpfs tmpfs /run
    mkdir -p /dev/shm /run/systemd/system
    cp "$2/arguments" /run/arguments
    mount -t tmpfs tmpfs /tmp # hides where the arguments were
    if [ -x /lib/systemd/systemd ]; then
        mount -t tmpfs tmpfs /etc/systemd/system # units are installed here
        ln -s /dev/null /etc/systemd/system/systemd-tmpfiles-setup.service # it would empty /tmp under the tests
        printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' 'Type=exec' "Environment=PYTHON=$python" \
            "ExecStart=$here/tests/worker/on_cgroup2.sh --tests" >/run/systemd/system/millrace-tests.service
        touch /run/systemd-to-throw-away
        exec /lib/systemd/systemd --unit=millrace-tests.service --log-target=null --show-status=no
    fi
    mount -t tmpfs tmpfs /dev/shm
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    set -- --tests
fi
if [ "${1:-}" = --tests ]; then
    exec >/dev/console 2>&1
    export HOME=/tmp PYTHONDONTWRITEBYTECODE=1 NO_COLOR=1
    eval "set -- $(cat /run/arguments)"
    cd "$here"
    echo "on $(uname -sr), first process $(cat /proc/1/comm), control groups: $(cat /sys/fs/cgroup/cgroup.controllers)"
    status=0
    "$python" -m pytest -q -p no:cacheprovider "$@" || status=$?
    echo "on_cgroup2: status $status"
    echo o >/proc/sysrq-trigger
    sleep 60
fi

lacks() {
    echo "tests/worker/on_cgroup2.sh: $1" >&2
    exit 3
}
[ "$(uname -sm)" = "Linux x86_64" ] || lacks "needs Linux on x86_64 (user mode Linux is there for no other)"
[ -x "$python" ] || lacks "there is no $python; PYTHON names one that has pytest and what requirements-dev.txt lists"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kernel=${MILLRACE_UML:-$(command -v linux.uml || true)}
if [ -z "$kernel" ]; then
    command -v dpkg-deb >/dev/null || lacks "there is no linux.uml here; MILLRACE_UML names one (Debian: apt-get install user-mode-linux)"
    (cd "$scratch" && apt-get download -q user-mode-linux >&2 && dpkg-deb -x user-mode-linux_*.deb .) ||
        lacks "apt-get cannot fetch user-mode-linux; MILLRACE_UML names a linux.uml"
    kernel=$scratch/usr/bin/linux.uml
fi

[ $# -gt 0 ] || set -- tests/worker/test_cgroups_at_work.py tests/worker/test_unit_at_work.py
for word in "$@"; do
    printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
done >"$scratch/arguments"
nice "$kernel" mem=1G rootfstype=hostfs rootflags=/ ro quiet con=null con0=null,fd:1 \
    init="$here/tests/worker/on_cgroup2.sh" -- --inside "$scratch" </dev/null 2>"$scratch/boot" | tee "$scratch/said" || true
status=$(sed -n 's/^on_cgroup2: status \([0-9]*\).*/\1/p' "$scratch/said")
[ -n "$status" ] || { cat "$scratch/boot" >&2; lacks "that kernel did not get as far as the tests"; }
exit "$status"
