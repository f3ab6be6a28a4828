//! Builds the programs of a machine (static, standard library from source) and the tools, into `out/`.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::agent::Agent;
use super::command::{self, describe, run};
use super::kernel::Kernel;
use super::key::Key;
use super::toolchain::{TARGET, Toolchain};
use super::{initramfs, paths, steps};

/// The largest `everboot-init` that we allow, in bytes.
pub const INIT_LIMIT: u64 = 655_360;
/// The largest one with no more than a boot needs.
pub const CORE_LIMIT: u64 = 438_272;

/// Builds both programs of a machine.
pub fn agent() -> Result<Agent> {
    // A program with other features has the same place among what is compiled.
    let _one_at_a_time = paths::lock("agent")?;
    let toolchain = Toolchain::prepare()?;
    // One after the other: what they share is compiled once, and neither gets what the other needs.
    let init =
        publish(&static_program(&toolchain, "everboot-agent", "everboot-init", None)?, "everboot-init")?;
    let everboot = publish(&static_program(&toolchain, "everboot", "everboot", None)?, "everboot")?;
    Ok(Agent { init, everboot })
}

/// Builds both programs as they will be when the record has another format version, in `out/next`: for the one story
/// that needs two programs.
pub fn next_agent() -> Result<Agent> {
    let _one_at_a_time = paths::lock("agent")?;
    let toolchain = Toolchain::prepare()?;
    let build = |package, name, features: &[&str]| {
        let program = static_program(&toolchain, package, name, Some(features))?;
        publish(&program, &format!("next/{name}"))
    };
    let init = build("everboot-agent", "everboot-init", &["default", "next"])?;
    Ok(Agent { init, everboot: build("everboot", "everboot", &["next"])? })
}

/// Features of `everboot-init` beyond what a boot needs.
pub const FEATURES: [&str; 3] = ["delta", "prompt", "repair"];

/// The size of `everboot-init` with these features and no others, in bytes.
pub fn size_with(features: &[&str]) -> Result<u64> {
    let _one_at_a_time = paths::lock("agent")?;
    let toolchain = Toolchain::prepare()?;
    let program = static_program(&toolchain, "everboot-agent", "everboot-init", Some(features))?;
    Ok(fs::metadata(program)?.len())
}

/// How `everboot-init` alone is compiled: instructions that are the same in several functions are one function, 9 kB,
/// and a choice among fewer than eight has no table of addresses, 2 kB. Both together cost an apply some 4 % of its
/// processor time, and so `everboot`, which is on no diet, does without.
const INIT_FLAGS: [&str; 2] =
    ["-Cllvm-args=-enable-machine-outliner=always", "-Cllvm-args=-min-jump-table-entries=8"];

/// Builds a static program, with the standard library from source, where cargo puts it. Without `features` it has its
/// usual ones.
fn static_program(
    toolchain: &Toolchain,
    package: &str,
    name: &str,
    features: Option<&[&str]>,
) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo()?;
    cargo.current_dir(paths::repo()).args(["rustc", "--release", "-p", package]);
    cargo.args(["--bin", name, "--target", TARGET]);
    if let Some(features) = features {
        cargo.args(["--no-default-features", "--features", &features.join(",")]);
    }
    cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    // All code of a program is made when it is linked: what was compiled before serves both.
    let flags: &[&str] = if name == "everboot-init" { &INIT_FLAGS } else { &[] };
    steps::step(name, || compile(&mut cargo, flags)).with_context(|| format!("build {name}"))?;
    Ok(target_folder()?.join(TARGET).join("release").join(name))
}

/// The tools: the program, which has its package's name, and the features that it is built with.
const TOOLS: [(&str, &str); 3] =
    [("everboot-crash", "everboot-crash/mutants"), ("everboot-fetch", ""), ("everboot-pack", "")];

/// Builds the tools; returns their files in `out/`.
pub fn tools() -> Result<Vec<PathBuf>> {
    TOOLS.iter().map(|(name, _)| build_tool(name)).collect()
}

/// Builds one of the tools, such as `everboot-pack`; returns its file in `out/`.
pub fn build_tool(name: &str) -> Result<PathBuf> {
    let known = TOOLS.iter().find(|(tool, _)| *tool == name);
    let (_, features) = known.with_context(|| format!("there is no tool {name}"))?;
    compile_tool(name, &["--features", features], name)
}

/// `everboot-pack` without its client of registries, as `out/NAME`. That client is most of what it compiles. It does
/// not take the place of `out/everboot-pack`, which can do more.
pub fn build_pack_without_registry(name: &str) -> Result<PathBuf> {
    compile_tool("everboot-pack", &["--no-default-features"], name)
}

/// Builds a tool with these features, and copies it to `out/NAME`.
fn compile_tool(tool: &str, features: &[&str], name: &str) -> Result<PathBuf> {
    // The same program with other features has the same place among what is compiled.
    let _one_at_a_time = paths::lock(&format!("tool-{tool}"))?;
    let mut cargo = command::cargo("cargo");
    cargo.current_dir(paths::repo()).args(["build", "--profile", "tools"]);
    // By the program and not by its package: cargo then gives what programs share the same features, and compiles it
    // once.
    cargo.args(["--bin", tool]).args(features);
    steps::step(name, || compile(&mut cargo, &[])).with_context(|| format!("build {tool}"))?;
    publish(&target_folder()?.join("tools").join(tool), name)
}

/// Runs a cargo that compiles: on a terminal with its own progress, elsewhere quietly unless it fails. `flags` are
/// rustc's, for the program itself.
fn compile(cargo: &mut Command, flags: &[&str]) -> Result<()> {
    let is_watched = std::io::stderr().is_terminal();
    cargo.args((!is_watched).then_some("--quiet"));
    if !flags.is_empty() {
        cargo.arg("--").args(flags);
    }
    if !is_watched {
        return run(cargo).map(drop);
    }
    let status = cargo.stdin(Stdio::null()).status().context("start cargo")?;
    ensure!(status.success(), "`{}` failed ({status})", describe(cargo));
    Ok(())
}

/// All that is built, in `out/`.
pub struct Built {
    /// The two programs of a machine.
    pub agent: Agent,
    /// The tools that were asked for.
    pub tools: Vec<PathBuf>,
    /// The kernel that the initramfs is for.
    pub kernel: Kernel,
    /// Signs what the initramfs accepts.
    pub key: Key,
    /// The initramfs.
    pub initramfs: PathBuf,
}

/// Builds agent, all tools and initramfs; the machine is set up for that already.
pub fn all() -> Result<Built> {
    // Side by side: a program of the machine is linked by one processor.
    let (built, tools) = thread::scope(|scope| {
        let tools = scope.spawn(tools);
        (without_tools(), tools.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    Ok(Built { tools: tools?, ..built? })
}

/// Builds the agent and the initramfs: what a virtual machine boots.
pub fn without_tools() -> Result<Built> {
    let _one_at_a_time = paths::lock("testbed")?;
    let agent = agent()?;
    let kernel = steps::timed("the kernel's package", Kernel::prepare)?;
    let key = Key::prepare()?;
    let initramfs =
        steps::timed("the initramfs", || initramfs::everboot(&kernel, &agent.init, &[&key.public]))?;
    Ok(Built { agent, tools: Vec::new(), kernel, key, initramfs })
}

impl Built {
    /// Prints what was built, with sizes.
    pub fn print_sizes(&self) -> Result<()> {
        let agent = [&self.agent.init, &self.agent.everboot];
        for path in agent.into_iter().chain(&self.tools).chain([&self.initramfs]) {
            let size = fs::metadata(path)?.len();
            let name = path.strip_prefix(paths::repo()).unwrap_or(path);
            println!("{size:>10} bytes  {}", name.display());
        }
        Ok(())
    }
}

/// A tool by name, such as `everboot-pack`.
pub fn tool<'a>(tools: &'a [PathBuf], name: &str) -> Result<&'a PathBuf> {
    let named = tools.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    named.with_context(|| format!("this package builds no {name}"))
}

fn metadata() -> Result<Value> {
    let mut cargo = command::cargo("cargo");
    cargo.current_dir(paths::repo()).args(["metadata", "--format-version=1", "--no-deps"]);
    Ok(serde_json::from_str(&run(&mut cargo)?)?)
}

fn target_folder() -> Result<PathBuf> {
    let metadata = metadata()?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata names no target directory")?.into())
}

/// Copies a built program to `out/NAME`, in one step, and only when it has changed.
fn publish(program: &Path, name: &str) -> Result<PathBuf> {
    let bytes = fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let path = paths::out(name)?;
    paths::replace(&path, &bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
