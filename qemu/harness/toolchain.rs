//! A Rust toolchain that can build the standard library from source for static musl.
//!
//! Two ways, tried in this order: rustup's toolchain, with its musl target and `rust-src`
//! added when they are absent; or Debian's `rustc-web`, which needs an unwinder made for it.
//! `EVERBOOT_TOOLCHAIN=rustup` or `=debian` allows only that one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::command::{program, run, run_within};
use super::{paths, setup};

/// The agent's target.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// A rustup download stalls on some networks; Debian's packages are the way out.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// A symbol that gcc's unwinder asks for and musl lacks; -1 says "not found", and it looks elsewhere.
const FIND_OBJECT: &str = "int _dl_find_object(void *a, void *b) { return -1; }\n";

/// A toolchain that is ready to use.
pub enum Toolchain {
    /// The cargo that runs us, with target and sources in its sysroot.
    Rustup,
    /// Debian's cargo and rustc in /usr/bin, with the folder of the unwinder.
    Debian {
        /// Holds `libunwind.a`.
        unwinder: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, or makes one ready.
    pub fn prepare() -> Result<Toolchain> {
        let wanted = std::env::var("EVERBOOT_TOOLCHAIN").unwrap_or_default();
        match wanted.as_str() {
            "rustup" => rustup(),
            "debian" => debian(),
            "" => rustup().or_else(|error| {
                println!("toolchain: {error:#}; using Debian's");
                debian()
            }),
            other => bail!("EVERBOOT_TOOLCHAIN is `{other}`, expected `rustup` or `debian`"),
        }
    }

    /// `cargo`, set up to build the agent; the caller adds `build` and what to build.
    pub fn cargo(&self) -> Command {
        let mut flags = String::from("-C relocation-model=static");
        let mut command = match self {
            Toolchain::Rustup => Command::new("cargo"),
            Toolchain::Debian { unwinder } => {
                flags.push_str(" -C link-self-contained=no -C target-feature=+crt-static -L native=");
                flags.push_str(&unwinder.to_string_lossy());
                let mut cargo = Command::new("/usr/bin/cargo");
                // rustup's proxies tell their children which toolchain to use.
                cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO");
                cargo.env_remove("LD_LIBRARY_PATH");
                cargo.env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin");
                cargo.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "musl-gcc");
                cargo
            }
        };
        command.env("RUSTC_BOOTSTRAP", "1");
        command.env("CC_x86_64_unknown_linux_musl", "musl-gcc");
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", flags);
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }
}

fn rustup() -> Result<Toolchain> {
    let sysroot = run(program("rustc").args(["--print", "sysroot"])).context("look for rustc's sysroot")?;
    let sysroot = Path::new(sysroot.trim()).join("lib/rustlib");
    let parts = [
        (sysroot.join(TARGET).join("lib/self-contained"), ["target", "add", TARGET]),
        (sysroot.join("src/rust/library/Cargo.lock"), ["component", "add", "rust-src"]),
    ];
    for (proof, words) in parts {
        if proof.exists() {
            continue;
        }
        if paths::program("rustup").is_none() {
            bail!("this Rust has no {} and no rustup to add it", proof.display());
        }
        println!("toolchain: rustup {}", words.join(" "));
        run_within(program("rustup").args(words), DOWNLOAD_LIMIT)?;
        if !proof.exists() {
            bail!("`rustup {}` left no {}", words.join(" "), proof.display());
        }
    }
    Ok(Toolchain::Rustup)
}

fn debian() -> Result<Toolchain> {
    let parts = [
        ("/usr/bin/rustc", "rustc-web"),
        ("/usr/bin/cargo", "cargo-web"),
        ("/usr/lib/rustlib/src/rust/library/Cargo.lock", "rust-web-src"),
    ];
    let missing: Vec<&str> =
        parts.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect();
    setup::install(&missing)?;
    if let Some((file, package)) = parts.iter().find(|(file, _)| !Path::new(file).exists()) {
        bail!("package {package} is installed and {file} is not there");
    }
    Ok(Toolchain::Debian { unwinder: unwinder()? })
}

/// std wants a `libunwind.a`; gcc's own unwinder serves.
fn unwinder() -> Result<PathBuf> {
    let library = paths::out("unwinder/libunwind.a")?;
    let folder = library.parent().context("libunwind.a has a folder")?.to_path_buf();
    if library.exists() {
        return Ok(folder);
    }
    let source = folder.join("find_object.c");
    let object = folder.join("find_object.o");
    std::fs::write(&source, FIND_OBJECT)?;
    run(program("musl-gcc").args(["-Os", "-c", "-o"]).args([&object, &source]))?;
    let theirs = run(program("gcc").arg("-print-file-name=libgcc_eh.a"))?;
    let fresh = folder.join("libunwind.a.new");
    std::fs::copy(theirs.trim(), &fresh).with_context(|| format!("copy {}", theirs.trim()))?;
    run(program("ar").args(["rs"]).args([&fresh, &object]))?;
    std::fs::rename(&fresh, &library)?;
    Ok(folder)
}
