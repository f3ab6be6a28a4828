#!/bin/sh
# cmdline hook: root=everboot says that everboot chooses the root; everboot=0 says that it must not.
# The file is for the unit and for the mount hook: the question is answered once.
#
# dracut sets root, and reads rootok.
# shellcheck disable=SC2034,SC2154

if [ "$root" = everboot ]; then
    if getargbool 1 everboot && getargbool 1 rd.everboot; then
        rootok=1
        mkdir -p /run/everboot
        : > /run/everboot/asked
    else
        die "everboot is disabled: expected a root= that names a device, found root=everboot"
    fi
fi
