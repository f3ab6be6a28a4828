//! `disk`: a disk image as it leaves the factory: partitions, a first image, a record that says it is good.
//!
//! Slot and record are made by the code that the agent itself uses. The data partition's file system is made
//! by mke2fs.

use crate::output;
use crate::root::tool::{run as run_tool, tool};
use crate::source::Source;
use anyhow::{Context, Error, Result, bail, ensure};
use everboot_agent::flow::{self, Site};
use everboot_agent::machine::{Access, Machine, PartitionRef};
use everboot_agent::settings;
use everboot_agent::sys::DiskFileMachine;
use everboot_core::config::{Config, Locator};
use everboot_core::record::Formats;
use everboot_storage::apply::{self, Layout};
use everboot_storage::bundle::{Bundle, Keys, Sources};
use gpt::disk::LogicalBlockSize;
use gpt::partition_types::{LINUX_FS, Type};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Room before the first partition and behind the last one, in MiB: table, backup, alignment.
const MARGIN: u64 = 1;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the disk image goes, a file; what is there is replaced
    #[arg(short, long, value_name = "DISK.img")]
    output: PathBuf,
    /// The machine's everboot.conf: it names the partitions
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Public key that the machine will trust; may be given several times
    #[arg(long = "pub", value_name = "KEY.pub", required = true)]
    public: Vec<PathBuf>,
    /// The first image; it goes into the first slot, which becomes good and the default
    #[arg(long, value_name = "FILE.everboot")]
    bundle: PathBuf,
    /// Size of each slot in MiB; by default a quarter more than the first image needs
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    slot_size: Option<u64>,
    /// Size of the data partition in MiB; by default 64 more than the bundle
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    data_size: Option<u64>,
    /// Size of the record's partition in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..1 << 16))]
    record_size: u64,
    /// Bytes of a logical sector of the disk that the image is for: 512, or 4096 for a disk that has no others (4Kn)
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = parse_sector)]
    sector_size: LogicalBlockSize,
    /// Image of a file system for the data partition, in place of an empty ext4
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

fn parse_sector(text: &str) -> Result<LogicalBlockSize, String> {
    match text {
        "512" => Ok(LogicalBlockSize::Lb512),
        "4096" => Ok(LogicalBlockSize::Lb4096),
        _ => Err("a sector has 512 or 4096 bytes".to_owned()),
    }
}

/// A partition to be made.
struct Planned {
    label: String,
    mib: u64,
    kind: Type,
}

/// The type of the record's partition: a GUID of everboot's own, so that no tool takes it for a file system.
const RECORD_TYPE: &str = "5b6f0cf4-7f0e-4d0b-9a3b-6576657262a7";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = settings::read_config(&arguments.config).map_err(Error::msg)?;
    let keys = read_keys(&arguments.public)?;
    let named = || arguments.bundle.display().to_string();
    let mut bundle = Bundle::open(Source::open(&arguments.bundle)?, &keys).with_context(named)?;
    let compatible = &bundle.manifest().compatible;
    ensure!(
        *compatible == config.compatible,
        "the bundle is for machine type {compatible:?}, and the configuration says {:?}",
        config.compatible
    );
    let plan = plan(arguments, &config, &bundle)?;
    let temporary = output::temporary(&arguments.output)?;
    let made = make(&temporary, &plan, arguments, &config, &keys, &mut bundle)
        .and_then(|()| fs::rename(&temporary, &arguments.output).context("name the disk image"));
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn read_keys(paths: &[PathBuf]) -> Result<Keys> {
    let mut keys = Keys::default();
    paths.iter().try_for_each(|path| settings::add_key_file(&mut keys, path)).map_err(Error::msg)?;
    ensure!(!keys.is_empty(), "--pub: every key is revoked");
    Ok(keys)
}

fn label(locator: &Locator) -> Result<String> {
    match locator {
        Locator::PartLabel(label) => Ok(label.clone()),
        Locator::PartUuid(_) => {
            bail!("a new disk has no PARTUUID yet: name the partitions by PARTLABEL in the configuration")
        }
    }
}

fn plan(arguments: &Arguments, config: &Config, bundle: &Bundle<Source>) -> Result<Vec<Planned>> {
    let size = bundle.manifest().root().size;
    let needed = match Layout::new(u64::MAX / 2, size) {
        Ok(layout) => size + layout.tree_len + apply::TRAILER_LEN,
        Err(error) => return Err(error.into()),
    };
    let slot = arguments.slot_size.unwrap_or_else(|| (needed + needed / 4).div_ceil(MIB));
    Layout::new(slot * MIB, size)?;
    let given =
        arguments.data.as_ref().map(fs::metadata).transpose().context("the data partition's image")?;
    let least = given.map_or(bundle.total_len().div_ceil(MIB) + 64, |given| given.len().div_ceil(MIB));
    let data = arguments.data_size.unwrap_or(least);
    let record = Type { guid: RECORD_TYPE.parse()?, os: gpt::partition_types::OperatingSystem::Linux };
    let mut plan = vec![Planned { label: label(&config.record)?, mib: arguments.record_size, kind: record }];
    for (_, locator) in config.slots.iter().flat_map(|slot| &slot.parts) {
        plan.push(Planned { label: label(locator)?, mib: slot, kind: LINUX_FS });
    }
    plan.push(Planned { label: label(&config.staging)?, mib: data, kind: LINUX_FS });
    Ok(plan)
}

fn make(
    path: &Path,
    plan: &[Planned],
    arguments: &Arguments,
    config: &Config,
    keys: &Keys,
    bundle: &mut Bundle<Source>,
) -> Result<()> {
    write_table(path, plan, arguments.sector_size)?;
    let mut machine = DiskFileMachine::open(path, None)?;
    let survey = machine.survey()?;
    let find = |wanted: &str| survey.find(|part| part.label == wanted)[0];
    let slot = [machine.open(find(&plan[1].label), Access::Exclusive)?];
    let mut sources = [Sources::none()];
    let written = apply::apply(bundle, &mut sources, &slot, machine.threads(), &mut |_| ())?;
    apply::mark(&slot[0], 1, bundle.manifest().image_id())?;
    fill_data(&mut machine, find(&plan[plan.len() - 1].label), arguments)?;
    let site = Site { machine: &mut machine, config, keys, formats: Formats::CURRENT };
    let record = flow::init(site, None, false)?;
    let first = &record.slots[0];
    println!(
        "{}: {} holds version {}, {} blocks, good",
        arguments.output.display(),
        first.name,
        bundle.manifest().version,
        written.blocks
    );
    Ok(())
}

/// The partition table, over a sparse file.
fn write_table(path: &Path, plan: &[Planned], sector: LogicalBlockSize) -> Result<()> {
    let total = plan.iter().map(|part| part.mib).sum::<u64>() + 2 * MARGIN;
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(path);
    let file = file.with_context(|| format!("create {}", path.display()))?;
    file.set_len(total * MIB)?;
    let config = gpt::GptConfig::new().writable(true).logical_block_size(sector);
    let mut table = config.create_from_device(file, None)?;
    for part in plan {
        table.add_partition(
            &part.label,
            part.mib * MIB,
            part.kind.clone(),
            0,
            Some(MIB / sector.as_u64()),
        )?;
    }
    let mut file = table.write()?;
    let sectors = u32::try_from(total * MIB / sector.as_u64() - 1).unwrap_or(u32::MAX);
    gpt::mbr::ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(&mut file)?;
    file.sync_all().context("sync the partition table")
}

/// Copies a file system into the data partition, leaving holes where it has zeroes.
fn fill_data(machine: &mut DiskFileMachine, at: PartitionRef, arguments: &Arguments) -> Result<()> {
    use everboot_storage::medium::Medium;
    let part = machine.open(at, Access::Exclusive)?;
    let made = tempfile(part.len(), arguments)?;
    let source = Source::open(made.path())?;
    ensure!(
        source.len() <= part.len(),
        "expected a data image of at most {} bytes, found {}",
        part.len(),
        source.len()
    );
    let mut chunk = vec![0; MIB as usize];
    for offset in (0..source.len()).step_by(MIB as usize) {
        let count = (source.len() - offset).min(MIB) as usize;
        source.read_at(offset, &mut chunk[..count])?;
        if chunk[..count].iter().any(|byte| *byte != 0) {
            part.write_at(offset, &chunk[..count])?;
        }
    }
    part.sync()?;
    Ok(())
}

/// The file system's image: the given one, or an empty ext4 that is removed afterwards.
enum Made<'a> {
    Given(&'a Path),
    Empty(PathBuf),
}

impl Made<'_> {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Empty(path) => path,
        }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Self::Empty(path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

fn tempfile(len: u64, arguments: &Arguments) -> Result<Made<'_>> {
    if let Some(path) = &arguments.data {
        return Ok(Made::Given(path));
    }
    let path = std::env::temp_dir().join(format!("everboot-data.{}", std::process::id()));
    let made = Made::Empty(path);
    File::create(made.path())?.set_len(len)?;
    let mut mke2fs = tool("mke2fs", "e2fsprogs")?;
    mke2fs.args(["-q", "-F", "-t", "ext4", "-L", "everboot-data"]);
    // A file system with smaller blocks than the disk's sectors cannot be mounted.
    if arguments.sector_size == LogicalBlockSize::Lb4096 {
        mke2fs.args(["-b", "4096"]);
    }
    run_tool(mke2fs.arg(made.path()))?;
    Ok(made)
}
