#!/bin/bash
# Puts everboot into an initramfs that dracut makes. It takes
#   from the system: everboot-init (in /usr/lib/everboot, or the file that EVERBOOT_AGENT names), its configuration
#   /etc/everboot/everboot.conf and its keys /etc/everboot/keys/*.pub and *.revoked;
#   from here: the hooks, and with systemd in the initramfs the units;
#   from the kernel: the file systems that a slot or the data partition may have, and drivers of watchdogs, as far as
#   they are modules.
# Drivers of disks come by dracut's module kernel-modules: all of them without hostonly; with hostonly those of
# the machine that runs dracut, and what `--add-drivers` names.
#
# dracut sets the variables that are not set here.
# shellcheck disable=SC2154

check() {
    require_binaries "${EVERBOOT_AGENT:-/usr/lib/everboot/everboot-init}" || return 1
}

depends() {
    echo base kernel-modules
}

installkernel() {
    # The running system's file systems are not those of the slot that comes next: hostonly does not choose here.
    hostonly='' instmods ext4 squashfs erofs xfs btrfs f2fs vfat nls_cp437 nls_ascii nls_iso8859-1 crc32c
    # The watchdog is the machine's: here it may.
    instmods '=drivers/watchdog'
}

install() {
    local settings=/etc/everboot
    local conf=${dracutsysrootdir-}$settings/everboot.conf
    local agent=${EVERBOOT_AGENT:-/usr/lib/everboot/everboot-init}
    # The program that will read it says whether it can; not where it is for another processor than this one (126).
    local checked=0
    [[ ! -e $conf ]] || "${dracutsysrootdir-}$agent" config check --config "${conf%/*}" || checked=$?
    if ((checked != 0 && checked != 126)); then
        dfatal "everboot: $settings/everboot.conf has a mistake, and early boot would go on without these lines." \
            "Correct it; \`everboot config check\` says whether it is right."
        # dracut ignores what install() returns; an image must not come of this.
        exit 1
    fi
    if closes_shell "$conf" &&
        [[ " $kernel_cmdline " != *" rd.shell=0 "* ]]; then
        dfatal "everboot: $settings/everboot.conf closes the shell, so the image must not open one:" \
            "expected rd.shell=0 in kernel_cmdline, found '$kernel_cmdline'." \
            "Put kernel_cmdline+=\" rd.shell=0 \" into a file in /etc/dracut.conf.d/."
        exit 1
    fi
    inst_simple "$agent" /usr/bin/everboot-init
    ln -sf everboot-init "${initdir}/usr/bin/everboot"
    local key keys=0
    for key in "${dracutsysrootdir-}$settings"/keys/*.pub; do
        [[ -f $key ]] && inst_simple "$key" "$settings/keys/${key##*/}" && keys=$((keys + 1))
    done
    for key in "${dracutsysrootdir-}$settings"/keys/*.revoked; do
        [[ -f $key ]] && inst_simple "$key" "$settings/keys/${key##*/}"
    done
    ((keys)) || dwarning "everboot: no key in $settings/keys: the image will apply no update"
    inst_simple "$settings/everboot.conf" || dwarning "everboot: no $settings/everboot.conf: all has its default"

    # After the hooks that make the initqueue wait.
    inst_hook cmdline 99 "$moddir/parse-everboot.sh"
    inst_hook emergency 99 "$moddir/restart-everboot.sh"
    inst_hook shutdown-emergency 99 "$moddir/restart-everboot.sh"
    if dracut_module_included systemd; then
        local units=$systemdsystemunitdir
        inst_simple "$moddir/everboot.service" "$units/everboot.service"
        inst_simple "$moddir/everboot-restart.service" "$units/everboot-restart.service"
        inst_simple "$moddir/sysroot.conf" "$units/sysroot.mount.d/everboot.conf"
        inst_simple "$moddir/emergency.conf" "$units/emergency.service.d/everboot.conf"
        $SYSTEMCTL -q --root "$initdir" add-requires initrd-root-fs.target everboot.service
    else
        inst_hook mount 20 "$moddir/mount-everboot.sh"
    fi
}

# Whether this configuration says anything of `lock` but no, or of `shell` but open.
closes_shell() {
    sed 's/[[:space:]]//g' "$1" 2> /dev/null | grep -E '^(lock|shell)' | grep -qvxE 'lock=no|shell=open'
}
