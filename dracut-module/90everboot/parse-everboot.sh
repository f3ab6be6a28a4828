#!/bin/sh
# cmdline hook: root=everboot says that everboot chooses the root. The file is for the unit and for the mount hook:
# the question is answered once.
#
# dracut sets root and hookdir, and reads rootok.
# shellcheck disable=SC2034,SC2154

if [ "$root" = everboot ]; then
    if ! getargbool 1 everboot || ! getargbool 1 rd.everboot; then
        # A wrong parameter keeps no machine down.
        warn "everboot: everboot=0 is ignored: expected a root= that names a device, found root=everboot"
    fi
    rootok=1
    mkdir -p /run/everboot
    : > /run/everboot/asked
    # The agent waits for its own devices. Others, which the image's maker saw in its machine (hostonly_cmdline),
    # may have died: nothing waits for them, neither the initqueue nor systemd.
    rm -f "$hookdir"/initqueue/finished/devexists-*.sh
    if rm /etc/systemd/system/initrd.target.wants/*.device 2> /dev/null; then
        systemctl --no-block daemon-reload
    fi
fi
