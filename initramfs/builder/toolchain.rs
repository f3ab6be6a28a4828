//! A Rust toolchain that can build the standard library from source for static musl.
//!
//! Two ways, tried in this order: rustup's toolchain, with its musl target and `rust-src`
//! added when they are absent; or Debian's `rustc-web`, which needs an unwinder made for it.
//! `EVERBOOT_TOOLCHAIN=rustup` or `=debian` allows only that one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::command::{cargo, program, run, run_within};
use super::{paths, setup};

/// The agent's target.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// A rustup download stalls on some networks; Debian's packages are the way out.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// An unwinder that finds no frame. The agent aborts on a panic and carries no tables to walk a
/// stack by; std asks for these symbols all the same, and the real ones cost 50 kB to find that out.
/// Itanium C++ ABI, chapter 1.6: 5 is "end of stack".
const UNWINDER: &str = "\
int _Unwind_Backtrace(void *visit, void *data) { return 5; }
int _Unwind_RaiseException(void *exception) { return 5; }
void _Unwind_Resume(void *exception) { __builtin_trap(); }
void _Unwind_DeleteException(void *exception) {}
#define NO_FRAME(name) void *_Unwind_##name(void *frame) { return 0; }
NO_FRAME(GetIP) NO_FRAME(GetIPInfo) NO_FRAME(GetCFA) NO_FRAME(GetGR) NO_FRAME(SetGR) NO_FRAME(SetIP)
NO_FRAME(FindEnclosingFunction) NO_FRAME(GetLanguageSpecificData) NO_FRAME(GetRegionStart)
NO_FRAME(GetTextRelBase) NO_FRAME(GetDataRelBase)
";

/// How the agent is compiled: at a fixed address, without tables for unwinding, with a panic that is an illegal
/// instruction, caught and reported with its address (its messages would cost 41 kB), and without padding between
/// code and constants. A static program has 120 bytes that could be made read-only after its start, for a padding of
/// 4 kB. SHA-256 one block at a time is written out once and not 64 times, 10 kB: where it counts, vectors do it. What
/// has much on its stack is not inlined, 12 kB: in a large frame every address is longer.
const RUST_FLAGS: &str = "-C relocation-model=static -C relro-level=off -C force-unwind-tables=no \
     -Zunstable-options -C panic=immediate-abort -C llvm-args=-inline-max-stacksize=256 \
     -C target-feature=+crt-static --cfg sha2_backend_soft=\"compact\" \
     -C link-arg=-Wl,-z,noseparate-code -C link-arg=-Wl,--build-id=none";

/// The same for its C: zstd's decoder in one variant of each of its loops, for speed, which costs 8 kB, without
/// padding. Its second way of Huffman decoding is left out: 4 kB for 2 % of the time of an apply.
const C_FLAGS: &str = "-DDYNAMIC_BMI2=0 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT=1 -DHUF_FORCE_DECOMPRESS_X1=1 \
     -DZSTD_STRIP_ERROR_STRINGS=1 -DHUF_DISABLE_FAST_DECODE=1 -fno-asynchronous-unwind-tables -fno-unwind-tables -O2 -fno-align-functions \
     -fno-align-jumps -fno-align-labels -fno-align-loops";

/// A toolchain that is ready to use.
pub enum Toolchain {
    /// The cargo that runs us, with target and sources in its sysroot.
    Rustup,
    /// Debian's cargo and rustc in /usr/bin.
    Debian,
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
    pub fn cargo(&self) -> Result<Command> {
        let mut flags = format!("{RUST_FLAGS} -L native={}", unwinder()?.display());
        let mut command = match self {
            Toolchain::Rustup => cargo("cargo"),
            Toolchain::Debian => {
                flags.push_str(" -C link-self-contained=no");
                let mut cargo = cargo("/usr/bin/cargo");
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
        command.env("CFLAGS_x86_64_unknown_linux_musl", C_FLAGS);
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", flags);
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        Ok(command)
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
    Ok(Toolchain::Debian)
}

/// The folder of a `libunwind.a` that is made of [`UNWINDER`].
fn unwinder() -> Result<PathBuf> {
    let library = paths::out("unwinder/libunwind.a")?;
    let folder = library.parent().context("libunwind.a has a folder")?.to_path_buf();
    let (source, object) = (folder.join("unwinder.c"), folder.join("unwinder.o"));
    let _one_at_a_time = paths::lock("unwinder")?;
    if library.exists() && std::fs::read_to_string(&source).is_ok_and(|text| text == UNWINDER) {
        return Ok(folder);
    }
    std::fs::write(&source, UNWINDER)?;
    run(program("musl-gcc").args(["-Os", "-c", "-o"]).args([&object, &source]))?;
    let fresh = folder.join("libunwind.a.new");
    let _ = std::fs::remove_file(&fresh);
    run(program("ar").args(["crs"]).args([&fresh, &object]))?;
    std::fs::rename(&fresh, &library)?;
    Ok(folder)
}
