//! everboot-init: the first process of the initramfs, what a distribution's initramfs calls, and the recovery prompt.

fn main() -> std::process::ExitCode {
    everboot_agent::program::init(&everboot_agent::sys::Roots::default())
}
