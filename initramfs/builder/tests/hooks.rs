//! The hooks for the initramfs of a distribution, run beside stand-ins for what the distribution's own scripts define.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use everboot_builder::paths;

const INITRAMFS_TOOLS: &str = "initramfs/initramfs-tools/hooks/everboot";
const PREMOUNT: &str = "initramfs/initramfs-tools/scripts/init-premount/everboot";
const PANIC: &str = "initramfs/initramfs-tools/scripts/panic/everboot";
const MKINITCPIO: &str = "initramfs/mkinitcpio/install/everboot";
const MKINITCPIO_HOOK: &str = "initramfs/mkinitcpio/hooks/everboot";
const DRACUT: &str = "dracut-module/90everboot/module-setup.sh";

/// What the three makers of initramfs define for their hooks, as far as these call it.
const STAND_INS: &str = r#"
die() { echo "died: $*"; exit 1; }
dfatal() { echo "died: $*"; }
dwarning() { echo "warned: $*"; }
for name in copy_exec copy_file manual_add_modules copy_modules_dir add_module add_checked_modules add_binary \
    add_symlink add_file add_runscript inst_simple inst_hook; do
    eval "$name() { echo $name; }"
done
dracut_module_included() { return 1; }
"#;

/// A machine of which the hooks see this much.
struct Host(PathBuf);

impl Host {
    fn new(name: &str) -> Self {
        let folder = paths::work(&format!("hooks-{name}")).unwrap();
        for inner in ["etc/everboot/keys", "initrd/conf/conf.d", "initrd/usr/bin", "conf"] {
            fs::create_dir_all(folder.join(inner)).unwrap();
        }
        fs::write(folder.join("hook-functions"), STAND_INS).unwrap();
        fs::write(folder.join("etc/everboot/everboot.conf"), "compatible = x\n").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The program that goes into the initramfs, which ends so when it is asked about the configuration.
    fn agent(&self, exit: u8) -> String {
        let path = self.path("agent");
        let asked =
            format!("#!/bin/sh\n[ \"$1 $2 $3\" = \"config check --config\" ] || exit 99\nexit {exit}\n");
        fs::write(&path, asked).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// A hook as it reads on this machine.
    fn hook(&self, file: &str) -> String {
        let text = fs::read_to_string(paths::repo().join(file)).unwrap();
        let text = text.replace("/usr/share/initramfs-tools/hook-functions", &self.path("hook-functions"));
        let text = text.replace("/etc/everboot", &self.path("etc/everboot"));
        let text = text.replace("/proc/cmdline", &self.path("cmdline"));
        text.replace("/conf/param.conf", &self.path("conf/param.conf"))
    }

    fn run(&self, shell: &str, script: &str, agent: &str) -> (bool, String) {
        let mut command = Command::new(shell);
        command.args(["-c", script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("EVERBOOT_AGENT", agent).env("DESTDIR", self.path("initrd"));
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    /// Makes an initramfs with each of the three: whether an image comes of it, and what was said.
    fn make(&self, agent: &str) -> [(bool, String); 3] {
        let initramfs_tools = self.hook(INITRAMFS_TOOLS);
        let mkinitcpio =
            format!("{STAND_INS}{}\nHOOKS=(base udev block everboot)\nbuild", self.hook(MKINITCPIO));
        let settings = format!("initdir={} kernel_cmdline=\n", self.path("initrd"));
        let dracut = format!("{STAND_INS}{settings}{}\ninstall; echo made", self.hook(DRACUT));
        [
            self.run("sh", &initramfs_tools, agent),
            self.run("bash", &mkinitcpio, agent),
            self.run("bash", &dracut, agent),
        ]
    }

    fn boots_with(&self, command_line: &str) {
        fs::write(self.path("cmdline"), format!("{command_line}\n")).unwrap();
    }
}

#[test]
fn an_initramfs_is_made_of_a_right_configuration() {
    let host = Host::new("right");
    for (made, said) in host.make(&host.agent(0)) {
        assert!(made && !said.contains("died"), "{said}");
    }
}

#[test]
fn no_initramfs_is_made_of_a_configuration_with_a_mistake() {
    let host = Host::new("mistake");
    for (made, said) in host.make(&host.agent(1)) {
        assert!(!made && said.contains("everboot.conf has a mistake"), "{said}");
        assert!(
            !said.contains("copy_exec") && !said.contains("add_binary") && !said.contains("inst_simple"),
            "{said}"
        );
    }
}

#[test]
fn an_initramfs_without_a_configuration_is_made_where_it_was_before() {
    let host = Host::new("none");
    fs::remove_file(host.path("etc/everboot/everboot.conf")).unwrap();
    for (made, said) in host.make(&host.agent(1)) {
        assert!(made, "{said}");
    }
}

#[test]
fn mkinitcpio_refuses_the_hook_beside_that_of_systemd() {
    let host = Host::new("systemd");
    for hooks in ["HOOKS=(base systemd block everboot)", "_hooks=(base systemd everboot) HOOKS="] {
        let script = format!("{STAND_INS}{}\n{hooks}\nbuild", host.hook(MKINITCPIO));
        let (made, said) = host.run("bash", &script, &host.agent(0));
        assert!(!made && said.contains("beside the hook systemd it would not run"), "{said}");
    }
}

/// Kernel command lines, and whether everboot boots.
const LINES: [(&str, bool); 7] = [
    ("quiet root=everboot panic=10", true),
    ("root=/dev/vda2 ro root=everboot", true),
    ("root=everboot ro root=/dev/vda2", false),
    ("root=everboot root=/dev/vda2 root=everboot", true),
    ("root=everboots", false),
    ("quiet", false),
    ("xroot=everboot", false),
];

#[test]
fn the_last_root_counts_with_initramfs_tools() {
    let host = Host::new("last-root");
    let chosen = Path::new(&host.path("conf/param.conf")).to_owned();
    for (line, boots) in LINES {
        host.boots_with(line);
        let _ = fs::remove_file(&chosen);
        let (done, said) = host.run("sh", &host.hook(PREMOUNT), "");
        assert!(done, "{said}");
        assert_eq!(chosen.exists(), boots, "{line}");
        // The agent would restart the machine: here it is a function.
        let stopped = "everboot() { echo restarted; exit 0; }\n";
        let panic = host.hook(PANIC).replace("< /dev/console > /dev/console 2>&1", "");
        let (_, said) = host.run("sh", &format!("{stopped}{panic}"), "");
        assert_eq!(said.contains("restarted"), boots, "{line}: {said}");
    }
}

#[test]
fn the_last_root_counts_with_mkinitcpio() {
    let host = Host::new("last-root-mkinitcpio");
    for (line, boots) in LINES {
        host.boots_with(line);
        let script =
            format!("{}\nrun_hook; echo \"handler=${{mount_handler-}}\"", host.hook(MKINITCPIO_HOOK));
        let (_, said) = host.run("sh", &script, "");
        assert_eq!(said.contains("handler=everboot_mount"), boots, "{line}: {said}");
    }
}
