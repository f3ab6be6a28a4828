//! `disks`, `mount` and `umount`: what there is beside the slots, so that a person can get at it.

use super::answer::{Exit, Failure};
use super::arguments::Arguments;
use super::session::Session;
use crate::flow::View;
use crate::machine::PartitionRef;
use crate::runtime::text::plain;
use crate::sys::{self, BlockDevice, FileMedium, LinuxMachine, Purpose};
use everboot_core::quoted::Quoted;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where things are mounted when nobody says otherwise.
const POINTS: &str = "/mnt";

/// What `mount` did.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// The line.
    pub(crate) text: String,
    /// Where it mounted something, if it did.
    pub(crate) point: Option<PathBuf>,
}

/// `mount SLOT|PARTITION [DIR]`.
pub(crate) fn mount(session: &mut Session, arguments: &Arguments) -> Result<Mounted, Failure> {
    let view = session.site().look();
    let refused =
        || Failure::new(Exit::Refused, "refused: nothing can be mounted from a disk image in a file");
    let machine = session.linux().ok_or_else(refused)?;
    let name = arguments.word(0).unwrap_or_default();
    let text = || format!("no slot, PARTLABEL or device {}; `disks` lists them", Quoted(&name));
    let device = find(machine, &view, &name).ok_or_else(|| Failure::new(Exit::Failed, text()))?;
    let line = |how: &str, point: &Path| format!("{} {how} {}\n", device.path().display(), point.display());
    if let Some(point) = machine.mount_point(&device) {
        return Ok(Mounted { text: line("is mounted at", &point), point: None });
    }
    let name = name.strip_prefix("/dev/").unwrap_or(&name);
    let point = arguments.argument(1).unwrap_or_else(|| Path::new(POINTS).join(name));
    let mounted = machine.mount_device(&device, &point, purpose(&view, device.at));
    mounted.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(Mounted { text: line("mounted at", &point), point: Some(point) })
}

/// A slot, a partition by its label when only one has it, or a device by the kernel's name.
fn find(machine: &LinuxMachine, view: &View<FileMedium>, name: &str) -> Option<BlockDevice> {
    let slot = view.record.find(name).and_then(|id| view.root(id));
    let labelled = || match view.survey.find(|part| part.label == name)[..] {
        [at] => Some(at),
        _ => None,
    };
    match slot.or_else(labelled) {
        Some(at) => machine.partition(at),
        None => machine.block_device(name),
    }
}

fn purpose(view: &View<FileMedium>, at: Option<PartitionRef>) -> Purpose {
    match at {
        Some(_) if at == view.staging => Purpose::Staging,
        Some(_) if at == view.recovery || view.parts.iter().any(|parts| parts.contains(&at)) => Purpose::Slot,
        _ => Purpose::Foreign,
    }
}

/// `umount SLOT|PARTITION|DIR`.
pub(crate) fn unmount(arguments: &Arguments) -> Result<String, Failure> {
    let name = arguments.word(0).unwrap_or_default();
    let point = Path::new(POINTS).join(name.strip_prefix("/dev/").unwrap_or(&name));
    let shown = point.display();
    match sys::unmount_device(&point) {
        Ok(()) => Ok(format!("{shown}: unmounted\n")),
        Err(error) => Err(Failure::new(Exit::Failed, format!("{shown}: {error}"))),
    }
}

/// `disks`.
pub(crate) fn disks(session: &mut Session) -> String {
    let view = session.site().look();
    let mut out = String::from("device            size  holds     label             used as\n");
    let mut row = |name: &str, len: u64, holds: &str, at: Option<PartitionRef>, point: Option<PathBuf>| {
        let label = at.map_or("-", |at| &view.survey.partition(at).label);
        let mut uses = at.and_then(|at| view.role(&session.config, at)).unwrap_or("-".to_owned());
        if let Some(point) = point {
            let _ = write!(uses, ", mounted at {}", point.display());
        }
        let size = len >> 20;
        let _ = writeln!(out, "{name:10} {size:>7} MiB  {holds:8}  {:16}  {uses}", plain(label));
    };
    let Some(machine) = session.linux() else {
        for at in view.survey.find(|_| true) {
            row("-", view.survey.partition(at).len, "-", Some(at), None);
        }
        return out;
    };
    for device in machine.block_devices() {
        let (len, holds) = machine.contents(&device);
        let name = device.path().file_name().unwrap_or_default().to_string_lossy();
        let name = if device.is_part { ["  ", &name].concat() } else { name.into_owned() };
        row(&name, len, holds.unwrap_or("-"), device.at, machine.mount_point(&device));
    }
    out
}
