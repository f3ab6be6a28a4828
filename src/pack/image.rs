//! `image`: a signed bundle of a root file system, which may have to be made first.
//!
//! One pass over the image: each frame is read, hashed and packed by one of as many threads as there are
//! cores, and written in order. Memory: a few frames for each thread. The same image and arguments give the
//! same bytes.

use crate::endorse::read_chain;
use crate::formats;
use crate::fs_block;
use crate::fstab;
use crate::modules::Modules;
use crate::output::Output;
use crate::root;
use crate::secret_key::read_key;
use anyhow::{Context, Result, anyhow, bail, ensure};
use everboot_core::manifest::{Manifest, PartImage, VersionRange, compare_versions};
use everboot_core::slot::{BLOCK, Digest, PartName, RootHash};
use everboot_core::tree::{Builder, BuilderError, Geometry, Hasher};
use everboot_storage::bundle::FRAMES_MAX;
use everboot_storage::bundle::sign::{Signer, UNSIGNED};
use everboot_storage::bundle::write::{ARCHIVE_END, Encoder, SeekTable, header, member, member_len};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the image is made of: a folder, a tar (also packed by gzip, zstd or xz), an OCI image, or an image
    /// as it is, which is padded with zeroes to a multiple of 4096 bytes, at least 8192. OCI images are named as
    /// by skopeo: oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME],
    /// docker://REGISTRY/NAME[:TAG|@DIGEST]. ext4 and erofs of files take root, or fakeroot in its place
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    #[command(flatten)]
    root: root::Arguments,
    /// Where the bundle goes
    #[arg(short, long, value_name = "FILE.everboot")]
    output: PathBuf,
    /// Version of the image
    #[arg(long)]
    version: String,
    /// Machine type that the image is for
    #[arg(long)]
    compatible: String,
    /// Secret key that signs the bundle, made by keygen or by minisign -G
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    key: Option<PathBuf>,
    /// What endorse made for this key, so that machines which trust only an older one believe it. May be given several
    /// times: each for the key that signed the one before it
    #[arg(long, value_name = "FILE", requires = "key")]
    endorsement: Vec<PathBuf>,
    /// No signature: only machines with insecure = yes take it, with --insecure
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Versions that may be upgraded to it, as X or X..Y; any if absent
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',', value_parser = parse_range)]
    from: Option<Vec<VersionRange>>,
    /// Once the image was confirmed on a machine, no lower version than this comes onto it any more
    #[arg(long, value_name = "VERSION")]
    floor: Option<String>,
    /// Attempts of its trial; the machine's own number if absent
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    tries: Option<u8>,
    /// The root is mounted writable
    #[arg(long)]
    open: bool,
    /// Pack it although its fstab mounts / writable, or has it checked, which a slot that is not --open does not allow
    #[arg(long, conflicts_with = "open")]
    any_fstab: bool,
    /// zstd level
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// Blocks of 4096 bytes in each independently packed frame
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1024))]
    frame_blocks: u32,
    /// Kernel releases for which the image has modules: auto looks into it, none says that it needs none
    #[arg(long, value_name = "auto|none|RELEASES", default_value = "auto", value_parser = Modules::parse)]
    modules: Modules,
    /// Salt of the hash tree, up to 256 bytes in hex. Without it the SHA-256 of the machine type: the images
    /// of one machine type have one salt, so that their trees can be compared
    #[arg(long, value_name = "HEX", value_parser = parse_salt)]
    salt: Option<Salt>,
}

#[derive(Clone)]
struct Salt(Vec<u8>);

fn parse_range(text: &str) -> Result<VersionRange, String> {
    VersionRange::parse(text).ok_or_else(|| "expected versions X or X..Y, X not higher than Y".into())
}

fn parse_salt(text: &str) -> Result<Salt, String> {
    let wrong = || "expected at most 256 bytes in hexadecimal digits".to_owned();
    if !text.len().is_multiple_of(2) || text.len() > 512 || !text.is_ascii() {
        return Err(wrong());
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().map(Salt).map_err(|_| wrong())
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let named = || arguments.source.display();
    let trust = Trust::read(arguments)?;
    let made = root::image(&arguments.source, &arguments.root, arguments.open, &arguments.output)?;
    let image = File::open(&made.path).with_context(|| format!("open {}", named()))?;
    let len = image.metadata().with_context(|| format!("open {}", named()))?.len();
    ensure!(len > 0, "{}: expected an image, found an empty file", named());
    if !arguments.open && !arguments.any_fstab {
        fstab::check(&made.path)?;
    }
    let manifest = describe(arguments, &made.path, len)?;
    let layout = Layout::new(&manifest, &trust)?;
    let output = Output::create(&arguments.output)?;
    let root = manifest.root();
    let packer = Packer { image: &image, image_len: len, part: root, level: arguments.level };
    let (root_hash, zst_len) = packer.run(&output, &layout).with_context(|| format!("pack {}", named()))?;

    let parts = vec![PartImage { root_hash, ..root.clone() }];
    let json = Manifest { parts, ..manifest.clone() }.to_json();
    Manifest::parse(json.as_bytes()).context("the manifest would not be accepted")?;
    let name = &root.name;
    output.write_at(0, &layout.signed(&json, &trust.sign(&manifest, &json))?)?;
    output.write_at(layout.tree - 512, &header(&format!("{name}.tree"), layout.tree_len))?;
    output.write_at(layout.zst - 512, &header(&format!("{name}.zst"), zst_len))?;
    output.finish(layout.zst - 512 + member_len(zst_len) + ARCHIVE_END)
}

/// Who signs, if anybody does, and who endorses that key.
struct Trust(Option<(Signer, String)>);

impl Trust {
    fn read(arguments: &Arguments) -> Result<Self> {
        let Some(path) = &arguments.key else { return Ok(Self(None)) };
        let signer = read_key(path)?;
        let chain = read_chain(&arguments.endorsement, &signer)?;
        Ok(Self(Some((signer, chain))))
    }

    /// What stands beside the manifest.
    fn sign(&self, manifest: &Manifest, json: &str) -> Vec<u8> {
        let Some((signer, chain)) = &self.0 else { return UNSIGNED.to_vec() };
        let comment = format!("everboot {} {}", manifest.compatible, manifest.version);
        [&signer.sign(json.as_bytes(), &comment), chain.as_bytes()].concat()
    }
}

/// The manifest, all but the root hash, whose values are checked before the long work begins.
fn describe(arguments: &Arguments, image: &Path, len: u64) -> Result<Manifest> {
    let salt = match &arguments.salt {
        Some(Salt(salt)) => salt.clone(),
        None => Hasher::new(b"everboot tree salt\0").block(arguments.compatible.as_bytes()).to_vec(),
    };
    let manifest = Manifest {
        compatible: arguments.compatible.clone(),
        version: arguments.version.clone(),
        upgrade_from: arguments.from.clone(),
        floor: arguments.floor.clone().unwrap_or_default(),
        tries: arguments.tries,
        modules: arguments.modules.resolve(image)?,
        formats: formats::of(image),
        insecure: false,
        parts: vec![PartImage {
            name: PartName::root(),
            size: len.next_multiple_of(BLOCK as u64).max(2 * BLOCK as u64),
            root_hash: RootHash([0; 32]),
            salt,
            open: arguments.open,
            frame_blocks: arguments.frame_blocks,
            fs_block: fs_block::of(image)?,
        }],
    };
    let manifest = Manifest::parse(manifest.to_json().as_bytes())?;
    ensure!(
        compare_versions(&manifest.floor, &manifest.version).is_le(),
        "floor: expected a version not higher than {}, found {}",
        manifest.version,
        manifest.floor
    );
    let frames = manifest.root().frames();
    if frames > FRAMES_MAX {
        bail!("frames: expected at most {FRAMES_MAX}, found {frames}; --frame-blocks makes them larger");
    }
    Ok(manifest)
}

/// Where the contents of the two large members begin. The small ones have the same length whatever the root
/// hash is.
struct Layout {
    geometry: Geometry,
    tree: u64,
    tree_len: u64,
    zst: u64,
}

impl Layout {
    fn new(manifest: &Manifest, trust: &Trust) -> Result<Self> {
        let geometry = Geometry::new(manifest.root().blocks()).context("the image is too large")?;
        let json = manifest.to_json();
        let signature = trust.sign(manifest, &json);
        let tree = member_len(json.len() as u64) + member_len(signature.len() as u64) + 512;
        let tree_len = geometry.len_bytes();
        Ok(Self { geometry, tree, tree_len, zst: tree + member_len(tree_len) })
    }

    /// The first two members.
    fn signed(&self, json: &str, signature: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = member("manifest.json", json.as_bytes());
        bytes.extend(member("manifest.json.minisig", signature));
        ensure!(bytes.len() as u64 + 512 == self.tree, "the manifest changed its length");
        Ok(bytes)
    }
}

/// A frame that a thread has made.
struct Frame {
    digests: Vec<Digest>,
    packed: Vec<u8>,
    content_len: usize,
}

struct Packer<'a> {
    image: &'a File,
    image_len: u64,
    part: &'a PartImage,
    level: i32,
}

impl Packer<'_> {
    /// Writes tree and frames; returns the root hash and the length of the frames' member.
    fn run(&self, output: &Output, layout: &Layout) -> Result<(RootHash, u64)> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            // Each thread makes every so-manieth frame, so they come in order and none runs far ahead.
            let queues: Vec<_> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(2);
                    scope.spawn(move || self.make(first as u64, threads, &sender));
                    receiver
                })
                .collect();
            self.write(&queues, output, layout)
        })
    }

    /// What a thread does, until all is done or nobody listens any more.
    fn make(&self, first: u64, step: usize, sender: &SyncSender<Result<Frame>>) {
        let hasher = Hasher::new(&self.part.salt);
        let mut encoder = Encoder::new(self.level);
        for number in (first..self.part.frames()).step_by(step) {
            let frame = match &mut encoder {
                Ok(encoder) => self.frame(number, &hasher, encoder),
                Err(why) => Err(anyhow!("zstd: {why}")),
            };
            let failed = frame.is_err();
            if sender.send(frame).is_err() || failed {
                return;
            }
        }
    }

    fn frame(&self, number: u64, hasher: &Hasher, encoder: &mut Encoder) -> Result<Frame> {
        let frame_len = u64::from(self.part.frame_blocks) * BLOCK as u64;
        let at = number * frame_len;
        let content_len = frame_len.min(self.part.size - at) as usize;
        let mut content = vec![0; content_len];
        // The image may end within the frame; the rest is padding.
        let there = self.image_len.saturating_sub(at).min(content_len as u64) as usize;
        self.image.read_exact_at(&mut content[..there], at).with_context(|| format!("read at byte {at}"))?;
        let digests = content.chunks_exact(BLOCK).map(|block| hasher.block(block)).collect();
        let packed = encoder.encode(&content).map_err(|why| anyhow!("zstd: {why}"))?;
        Ok(Frame { digests, packed, content_len })
    }

    fn write(
        &self,
        queues: &[Receiver<Result<Frame>>],
        output: &Output,
        layout: &Layout,
    ) -> Result<(RootHash, u64)> {
        let mut emit = |offset: u64, block: &[u8; BLOCK]| output.write_at(layout.tree + offset, block);
        let mut builder = Builder::new(layout.geometry, &self.part.salt);
        let (mut table, mut end) = (SeekTable::default(), layout.zst);
        let progress = progress(self.part.size);
        for (_, queue) in (0..self.part.frames()).zip(queues.iter().cycle()) {
            let frame = queue.recv().context("a packing thread ended")??;
            for digest in &frame.digests {
                builder.push(*digest, &mut emit).map_err(tree_error)?;
            }
            output.write_at(end, &frame.packed)?;
            table.push(frame.packed.len(), frame.content_len);
            end += frame.packed.len() as u64;
            progress.inc(frame.content_len as u64);
        }
        let root_hash = builder.finish(&mut emit).map_err(tree_error)?;
        let table = table.encode();
        output.write_at(end, &table)?;
        progress.finish_and_clear();
        Ok((root_hash, end + table.len() as u64 - layout.zst))
    }
}

fn tree_error(error: BuilderError<anyhow::Error>) -> anyhow::Error {
    match error {
        BuilderError::Emit(error) => error,
        count @ BuilderError::Count { .. } => anyhow!("{count}"),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
    ProgressBar::new(len).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
