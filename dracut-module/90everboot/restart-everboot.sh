#!/bin/sh
# emergency and shutdown-emergency hook. Nobody may be there, so the machine restarts, and everboot starts over
# with what it has counted. Somebody who is there says so by Enter, where a shell is allowed. Not for a boot that
# was stopped on purpose, and not for a shutdown.

if [ "$(getarg root=)" = everboot ] && [ "${action-Boot}" = Boot ] && ! getarg rd.break > /dev/null; then
    (
        sleep 30
        reboot -f
        # Whatever is missing for that, the kernel can do it.
        echo b > /proc/sysrq-trigger
    ) &
    warn "everboot: this machine restarts in 30 s"
    if getargbool 1 rd.shell && warn "everboot: press Enter for a shell" && read -r _ < /dev/console; then
        kill $!
    else
        wait $!
    fi
fi
