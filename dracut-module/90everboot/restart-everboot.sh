#!/bin/sh
# emergency and shutdown-emergency hook. Nobody may be there, so the agent's own shell opens, not dracut's: it
# restarts the machine by itself, and everboot starts over with what it has counted. Not for a boot that was stopped
# on purpose, and not for a shutdown.

if [ "$(getarg root=)" = everboot ] && [ "${action-Boot}" = Boot ] && ! getarg rd.break > /dev/null; then
    everboot shell --emergency < /dev/console > /dev/console 2>&1
    # Not reached, unless the agent cannot run. Whatever else is missing, the kernel can do it.
    warn "everboot: this machine restarts in 30 s"
    sleep 30
    reboot -f
    echo b > /proc/sysrq-trigger
fi
