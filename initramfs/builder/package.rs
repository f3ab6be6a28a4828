//! The Debian packages: `everboot_VERSION_amd64.deb` with the agent and what puts it into an initramfs, and one for
//! each of `everboot-pack` and `everboot-fetch`.
//!
//! Their control files, units and presets are in `initramfs/system`, their manual comes from the command line's own
//! tables and from `src/manual`. The same bytes for the same inputs, of which the time that everything in them has is
//! one.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use everboot_core::format_versions;

use super::agent::Agent;
use super::command::{program, run};
use super::overlay::Overlay;
use super::{paths, programs};

/// Where the program of the initramfs is in a system: the hooks of initramfs makers take it from there.
pub const INIT: &str = "/usr/lib/everboot/everboot-init";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A package that is being made.
struct Package {
    name: &'static str,
    /// Its files.
    files: Overlay,
    /// The packages that it cannot do without.
    depends: String,
}

/// Makes the packages of a built agent and its tools in this folder. `time` is in seconds since 1970.
pub fn debian(agent: &Agent, tools: &[PathBuf], folder: &Path, time: &str) -> Result<[PathBuf; 3]> {
    let _one_at_a_time = paths::lock("package")?;
    let (pack, fetch) = (programs::tool(tools, "everboot-pack")?, programs::tool(tools, "everboot-fetch")?);
    let share = manual(pack, time)?;
    let everboot = Package { name: "everboot", files: everboot(agent, &share)?, depends: String::new() };
    let files = Overlay::default()
        .host_file("/usr/bin/everboot-pack", 0o755, pack)
        .host_folder("/usr/share/man/man1", &share.join("man/man1"))?;
    let packer = Package { name: "everboot-pack", files, depends: libraries(pack)? };
    let files = Overlay::default().host_file("/usr/bin/everboot-fetch", 0o755, fetch);
    let files = about(files, "everboot-fetch", &share);
    let fetcher = Package { name: "everboot-fetch", files, depends: libraries(fetch)? };
    Ok([everboot.make(folder, time)?, packer.make(folder, time)?, fetcher.make(folder, time)?])
}

/// The manual and the completions of a program for machines.
fn about(files: Overlay, name: &str, share: &Path) -> Overlay {
    let paths = [
        format!("man/man8/{name}.8.gz"),
        format!("bash-completion/completions/{name}"),
        format!("zsh/vendor-completions/_{name}"),
        format!("fish/vendor_completions.d/{name}.fish"),
    ];
    paths
        .iter()
        .fold(files, |files, path| files.host_file(&format!("/usr/share/{path}"), 0o644, &share.join(path)))
}

/// The time for packages that are given away: SOURCE_DATE_EPOCH, or that of the latest commit.
pub fn epoch() -> Result<String> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let said = run(program("git").current_dir(paths::repo()).args(["log", "-1", "--format=%ct"]));
    Ok(said.context("SOURCE_DATE_EPOCH is not set, and git knows no commit")?.trim().to_owned())
}

fn date(time: &str, format: &str) -> Result<String> {
    let mut date = program("date");
    date.env("LC_ALL", "C").args(["--utc", "--date"]).arg(format!("@{time}")).arg(format);
    Ok(run(&mut date)?.trim().to_owned())
}

/// Man pages, completions and the example configuration, as under /usr/share.
fn manual(pack: &Path, time: &str) -> Result<PathBuf> {
    let folder = paths::work("package-share")?;
    run(Command::new(pack).arg("manual").arg(&folder).arg("--date").arg(date(time, "+%F")?))?;
    for section in fs::read_dir(folder.join("man"))? {
        for page in fs::read_dir(section?.path())? {
            run(program("gzip").args(["-9", "-n"]).arg(page?.path()))?;
        }
    }
    Ok(folder)
}

fn everboot(agent: &Agent, share: &Path) -> Result<Overlay> {
    let system = paths::repo().join("initramfs/system");
    let mut files = Overlay::default()
        .host_file("/usr/bin/everboot", 0o755, &agent.everboot)
        .host_file(INIT, 0o755, &agent.init)
        .file(format_versions::PATH, format_versions::text())
        .folder("/etc/everboot/keys")
        .host_file("/usr/lib/systemd/system/everboot-confirm.service", 0o644, &confirm_unit())
        .host_file(
            "/usr/lib/systemd/system-preset/80-everboot.preset",
            0o644,
            &system.join("80-everboot.preset"),
        );
    files = about(files, "everboot", share);
    let page = "man/man8/everboot-init.8.gz";
    files = files.host_file(&format!("/usr/share/{page}"), 0o644, &share.join(page));
    for folder in ["man/man5", "man/man7", "doc"] {
        files = files.host_folder(&format!("/usr/share/{folder}"), &share.join(folder))?;
    }
    for (from, to) in [
        ("dracut-module", "/usr/lib/dracut/modules.d"),
        ("initramfs/initramfs-tools", "/usr/share/initramfs-tools"),
    ] {
        files = files.host_folder(to, &paths::repo().join(from))?;
    }
    Ok(files)
}

/// The unit that confirms a healthy system.
pub fn confirm_unit() -> PathBuf {
    paths::repo().join("initramfs/system/everboot-confirm.service")
}

/// What a dynamic program needs, as a package names it.
fn libraries(program_file: &Path) -> Result<String> {
    let work = paths::work("package-libraries")?;
    // dpkg-shlibdeps asks for a source package's control file, and reads none of it here.
    fs::create_dir(work.join("debian"))?;
    fs::write(
        work.join("debian/control"),
        "Source: everboot\n\nPackage: everboot-pack\nArchitecture: any\n",
    )?;
    let said = run(program("dpkg-shlibdeps").current_dir(&work).arg("-O").arg("-e").arg(program_file))?;
    let list = said.trim().strip_prefix("shlibs:Depends=").context("dpkg-shlibdeps names no library")?;
    Ok(list.to_owned())
}

impl Package {
    fn make(self, folder: &Path, time: &str) -> Result<PathBuf> {
        let Package { name, files, depends } = self;
        let tree = paths::work(&format!("package-{name}"))?;
        documents(name, files, time)?.lay(&tree)?;
        let kibibytes = size(&tree)?.div_ceil(1024);
        let filled = |text: String| {
            let text = text.replace("@VERSION@", VERSION).replace("@SIZE@", &kibibytes.to_string());
            text.replace("@DEPENDS@", &depends)
        };
        let mut control = Overlay::default().file("/DEBIAN/control", filled(template(name, "control")?));
        for part in ["postinst", "prerm", "postrm"] {
            if let Ok(text) = template(name, part) {
                control = control.program(&format!("/DEBIAN/{part}"), text);
            }
        }
        if let Ok(text) = template(name, "triggers") {
            control = control.file("/DEBIAN/triggers", text);
        }
        control.lay(&tree)?;
        let seconds = time.parse().with_context(|| format!("expected seconds since 1970, found {time:?}"))?;
        settle(&tree, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
        let deb = folder.join(format!("{name}_{VERSION}_amd64.deb"));
        let fresh = deb.with_added_extension("new");
        let mut build = program("dpkg-deb");
        build.env("SOURCE_DATE_EPOCH", time).args([
            "--root-owner-group",
            "-Zxz",
            "--threads-max=1",
            "--build",
        ]);
        run(build.arg(&tree).arg(&fresh))?;
        fs::rename(&fresh, &deb).with_context(|| format!("name {}", deb.display()))?;
        Ok(deb)
    }
}

fn template(name: &str, part: &str) -> Result<String> {
    let path = paths::repo().join(format!("initramfs/system/debian/{name}.{part}"));
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// Adds what Debian asks of every package: copyright and changelog.
fn documents(name: &str, files: Overlay, time: &str) -> Result<Overlay> {
    let doc = format!("/usr/share/doc/{name}");
    let repo = paths::repo();
    let mit = fs::read_to_string(repo.join("LICENSE-MIT"))?;
    let indented = |line: &str| if line.is_empty() { " .".to_owned() } else { format!(" {line}") };
    let mit: Vec<String> = mit.lines().map(indented).collect();
    let copyright = fs::read_to_string(repo.join("initramfs/system/debian/copyright"))?;
    let maintainer = template(name, "control")?;
    let maintainer = maintainer.lines().find_map(|line| line.strip_prefix("Maintainer: "));
    let maintainer = maintainer.context("a control file names a maintainer")?;
    let changelog = format!(
        "{name} ({VERSION}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz for what is new.\n\n -- {maintainer}  {}\n",
        date(time, "+%a, %d %b %Y %H:%M:%S +0000")?
    );
    let mut files = files
        .file(&format!("{doc}/copyright"), copyright.replace("@MIT@", &mit.join("\n")))
        .file(&format!("{doc}/changelog.gz"), gzip(changelog.as_bytes())?)
        .file(&format!("{doc}/CHANGELOG.md.gz"), gzip(&fs::read(repo.join("CHANGELOG.md"))?)?);
    if let Ok(overrides) = template(name, "lintian-overrides") {
        files = files.file(&format!("/usr/share/lintian/overrides/{name}"), overrides);
    }
    Ok(files)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let file = paths::work("package-gzip")?.join("text");
    fs::write(&file, bytes)?;
    run(program("gzip").args(["-9", "-n"]).arg(&file))?;
    Ok(fs::read(file.with_added_extension("gz"))?)
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(bytes)
}

/// Gives everything the package's time, and folders their usual mode whatever the umask is.
fn settle(path: &Path, time: SystemTime) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            settle(&entry?.path(), time)?;
        }
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(File::open(path)?.set_modified(time)?)
}
