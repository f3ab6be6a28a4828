//! `delta`: the same signed image, for machines that have an older one in a slot.
//!
//! Manifest and signature are those of the new bundle, so no secret key is needed, and a machine cannot tell
//! afterwards how the image came.

mod image;
mod pack;
mod plan;
mod similar;

use crate::output::Output;
use anyhow::{Context, Result, ensure};
use everboot_storage::bundle::write::{ARCHIVE_END, delta_head, header, member, member_len};
use everboot_storage::bundle::{GROUPS_MAX, SOURCES_MAX};
use image::Image;
use pack::{Packed, Packer};
use similar::Similar;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Whole bundles of images that machines have, then the one of the new image
    #[arg(required = true, num_args = 2.., value_name = "OLD.everboot... NEW.everboot")]
    bundles: Vec<PathBuf>,
    /// Where the delta goes
    #[arg(short, long, value_name = "FILE.everboot")]
    output: PathBuf,
    /// zstd level
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (new, olds) = arguments.bundles.split_last().context("expected bundles")?;
    ensure!(olds.len() <= SOURCES_MAX, "expected at most {SOURCES_MAX} old bundles, found {}", olds.len());
    let new = Image::unpack(new, &arguments.output)?;
    let olds: Vec<Image> =
        olds.iter().map(|old| Image::unpack(old, &arguments.output)).collect::<Result<_>>()?;
    for (old, path) in olds.iter().zip(&arguments.bundles) {
        let is_alike = old.manifest.root().salt == new.manifest.root().salt;
        ensure!(
            is_alike,
            "{}: expected an image with the salt of the new one, found another; make both with the same \
             --compatible, or the same --salt",
            path.display()
        );
    }
    let groups = pack(&new, &olds, arguments.level)?;
    ensure!(
        groups.len() as u64 <= GROUPS_MAX,
        "expected at most {GROUPS_MAX} groups, found {}",
        groups.len()
    );
    write(arguments, &new, &olds, &groups)
}

/// All groups, in order, by as many threads as there are cores.
fn pack(new: &Image, olds: &[Image], level: i32) -> Result<Vec<Packed>> {
    let similar = learn(new, olds)?;
    let packer = Packer { new, olds, similar: &similar, level };
    let plans: Vec<_> = plan::plan(new, olds).into_iter().enumerate().collect();
    let count = plans.len();
    let (plans, packed) = (Mutex::new(plans), Mutex::new(Vec::with_capacity(count)));
    let work = || -> Result<()> {
        while let Some((number, plan)) = { plans.lock().ok().and_then(|mut plans| plans.pop()) } {
            let group = packer.pack(plan)?;
            packed.lock().map_err(|_| anyhow::anyhow!("a packing thread ended"))?.push((number, group));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Ok(())))
    })?;
    let mut packed = packed.into_inner().unwrap_or_default();
    packed.sort_unstable_by_key(|(number, _)| *number);
    ensure!(packed.len() == count, "a packing thread ended");
    Ok(packed.into_iter().map(|(_, group)| group).collect())
}

/// The strings of all old blocks that are not zero.
fn learn(new: &Image, olds: &[Image]) -> Result<Similar> {
    let zeroes = everboot_core::tree::Hasher::new(&new.manifest.root().salt).zeroes();
    let is_not_zero = |(_, digest): &(u32, &[u8; 32])| **digest != zeroes;
    let blocks = |old: &Image| (0..).zip(&old.digests).filter(is_not_zero).count() as u64;
    let mut similar = Similar::new(olds.iter().map(blocks).sum());
    for (source, old) in (0..).zip(olds) {
        for (block, _) in (0..).zip(&old.digests).filter(is_not_zero) {
            similar.learn((source, block), &old.block(block.into())?);
        }
    }
    similar.finish();
    Ok(similar)
}

fn write(arguments: &Arguments, new: &Image, olds: &[Image], groups: &[Packed]) -> Result<()> {
    let mut head = member("manifest.json", &new.signed.manifest);
    head.extend(member("manifest.json.minisig", &new.signed.signature));
    let sources: Vec<_> =
        olds.iter().map(|old| (old.manifest.root().root_hash, old.digests.len() as u64)).collect();
    let entry = |group: &Packed| [group.blocks, group.recipe.len() as u32, group.packed.len() as u32];
    let table = delta_head(&sources, &groups.iter().map(entry).collect::<Vec<_>>());
    let bytes: usize = groups.iter().map(|group| group.recipe.len() + group.packed.len()).sum();
    let len = (table.len() + bytes) as u64;
    let name = format!("{}.delta", new.manifest.root().name);
    let output = Output::create(&arguments.output)?;
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        at += bytes.len() as u64;
        output.write_at(at - bytes.len() as u64, bytes)
    };
    put(&head)?;
    put(&header(&name, len))?;
    put(&table)?;
    for group in groups {
        put(&group.recipe)?;
        put(&group.packed)?;
    }
    let end = head.len() as u64 + member_len(len) + ARCHIVE_END;
    output.finish(end)
}
