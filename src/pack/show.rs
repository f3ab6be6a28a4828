//! `show`: prints the manifest of a bundle, and checks its signature.

use crate::source::Source;
use anyhow::{Context, Result, ensure};
use everboot_core::manifest::PartImage;
use everboot_storage::apply;
use everboot_storage::bundle::{Body, Bundle, Keys, Sources, TrustError};
use everboot_storage::medium::Medium;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle
    bundle: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Public key that must have signed it
    #[arg(long = "pub", value_name = "KEY.pub")]
    public: Option<PathBuf>,
    /// Unpack all of it and compare every block with its hash
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let named = || format!("{}", arguments.bundle.display());
    let mut bundle = Bundle::open_untrusted(Source::open(&arguments.bundle)?).with_context(named)?;
    let trusted = arguments.public.as_ref().map(|path| verify(&bundle, path)).transpose()?;
    if arguments.check {
        let is_whole = bundle.bodies().iter().all(|body| matches!(body, Body::Whole(_)));
        ensure!(
            is_whole,
            "{}: expected a whole bundle, found a delta, which only `stage` can check",
            named()
        );
        let mut sources: Vec<_> = bundle.bodies().iter().map(|_| Sources::<Source>::none()).collect();
        apply::check(&mut bundle, &mut sources, everboot_agent::sys::threads(), &mut |_, _| {})
            .with_context(named)?;
    }
    if arguments.json {
        println!("{:#}", facts(&bundle, trusted.as_ref(), arguments.check)?);
    } else {
        print(&bundle, trusted.as_ref(), arguments.check);
    }
    match trusted {
        Some(Err(error)) => Err(error).with_context(named),
        _ => Ok(()),
    }
}

type Trust = Result<(), TrustError>;

fn verify(bundle: &Bundle<Source>, path: &PathBuf) -> Result<Trust> {
    let text = fs::read_to_string(path).with_context(|| format!("read key {}", path.display()))?;
    let keys = Keys::parse(&text).with_context(|| format!("key {}", path.display()))?;
    Ok(bundle.signed().verify(&keys).map(drop))
}

/// Names and sizes of the members.
fn members(bundle: &Bundle<Source>) -> Vec<(String, u64)> {
    let signed = bundle.signed();
    let mut members = vec![
        ("manifest.json".into(), signed.manifest.len() as u64),
        ("manifest.json.minisig".into(), signed.signature.len() as u64),
    ];
    for (PartImage { name, .. }, body) in bundle.manifest().parts.iter().zip(bundle.bodies()) {
        match body {
            Body::Whole(whole) => members.extend([
                (format!("{name}.tree"), whole.tree_len()),
                (format!("{name}.zst"), whole.frames.member_len()),
            ]),
            Body::Delta(delta) => members.push((format!("{name}.delta"), delta.member_len())),
        }
    }
    members
}

fn print_part(image: &PartImage, body: &Body) {
    let mode = if image.open { "open" } else { "sealed" };
    println!("part          {}: {} bytes, {mode}", image.name, image.size);
    println!("root hash     {}", image.root_hash);
    match body {
        Body::Whole(whole) => {
            println!("frames        {} of {} blocks", whole.frames.count(), image.frame_blocks);
        }
        Body::Delta(delta) => {
            println!("delta         {} groups", delta.count());
            for (root, blocks) in delta.sources() {
                println!("needs         {blocks} blocks with the root hash {root}");
            }
        }
    }
}

fn facts(bundle: &Bundle<Source>, trusted: Option<&Trust>, checked: bool) -> Result<Value> {
    let manifest: Value = serde_json::from_slice(&bundle.signed().manifest).context("manifest")?;
    ensure!(manifest.is_object(), "manifest: expected an object");
    let members: Vec<Value> =
        members(bundle).into_iter().map(|(name, size)| json!({ "name": name, "size": size })).collect();
    Ok(json!({
        "manifest": manifest,
        "signature_verified": trusted.map(Result::is_ok),
        "content_checked": checked,
        "members": members,
        "size": bundle.medium().len(),
    }))
}

fn print(bundle: &Bundle<Source>, trusted: Option<&Trust>, checked: bool) {
    let manifest = bundle.manifest();
    println!("compatible    {}", manifest.compatible);
    println!("version       {}", manifest.version);
    println!("upgrade from  {}", manifest.from_rule().as_deref().unwrap_or("any version"));
    let floor = &manifest.floor;
    println!("floor         {}", if floor.is_empty() { "leaves the machine's as it is" } else { floor });
    println!(
        "tries         {}",
        manifest.tries.map_or("the machine's own number".into(), |tries| tries.to_string())
    );
    let modules = manifest.modules.as_ref().map(|list| list.join(" "));
    println!(
        "modules       {}",
        modules.as_deref().map_or("needs none", |list| if list.is_empty() { "has none" } else { list })
    );
    let formats = manifest.formats.as_ref().map(|lines| lines.join(", "));
    println!(
        "everboot      {}",
        formats.as_deref().map_or("not known which formats it reads", |lines| if lines.is_empty() {
            "has none"
        } else {
            lines
        })
    );
    println!("image         {}", manifest.image_id());
    for (image, body) in manifest.parts.iter().zip(bundle.bodies()) {
        print_part(image, body);
    }
    println!(
        "signature     {}",
        match trusted {
            None => "not checked (--pub KEY.pub checks it)".into(),
            Some(Ok(())) => "good".into(),
            Some(Err(error)) => format!("bad: {error}"),
        }
    );
    println!(
        "content       {}",
        if checked { "every block has its hash" } else { "not checked (--check does)" }
    );
    for (name, size) in members(bundle) {
        println!("{size:>13} {name}");
    }
}
