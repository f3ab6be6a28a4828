//! The images that a campaign brings onto a machine: by their bytes it is known what a slot holds, whatever the code
//! under test says.

use everboot_core::manifest::Manifest;
use everboot_core::slot::ImageId;
use everboot_kit::sim::pages::Pages;
use everboot_kit::sim::{SLOT_A, SimRoot};
use everboot_kit::small_delta;
use everboot_kit::world::{BLOCKS, World, bundle, image, manifest};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Pages of a slot that image and tree fill; the tree of so few blocks is a superblock and one block.
pub const FILLED: usize = BLOCKS + 2;

/// One image that a campaign may bring onto a machine.
#[derive(Debug)]
pub struct Known {
    /// Its version.
    pub version: u8,
    /// Whether its root can be entered.
    pub boots: bool,
    /// Its root hash.
    pub id: ImageId,
    /// Hashes of the pages of image and tree.
    pub pages: Vec<u64>,
    /// Its bundle.
    pub file: Pages,
}

/// Places in [`known`]: the version 2 that comes as a delta, and the next good version, which no scenario stages.
pub const DELTA: usize = 9;
pub const NEXT: usize = 10;

/// All images: three versions, each in the three kinds of root, one more version 2, which comes as a delta, and a
/// version that is higher than all others.
pub fn known() -> &'static [Known] {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let roots = [SimRoot::Boots, SimRoot::NoInit, SimRoot::Broken];
        let all = (1..=3).flat_map(|version| roots.map(|root| (version, root)));
        let whole = all.map(|(version, root)| {
            let image = image(version, root);
            let file = bundle(with_floor(version), &image);
            make((version, root == SimRoot::Boots), with_floor(version), &image, &file)
        });
        let delta = make((2, true), small_delta::second(), &small_delta::new_image(), &small_delta::delta());
        let newest = image(4, SimRoot::Boots);
        let next = make((4, true), with_floor(4), &newest, &bundle(with_floor(4), &newest));
        whole.chain([delta, next]).collect()
    })
}

/// Its floor is the version before it, so that one slot may be left for the other.
fn with_floor(version: u8) -> Manifest {
    let floor = if version > 1 { format!("{}.0", version - 1) } else { String::new() };
    Manifest { floor, ..manifest(version) }
}

fn make((version, boots): (u8, bool), manifest: Manifest, image: &[u8], file: &[u8]) -> Known {
    let mut world = World::blank();
    world.fill(SLOT_A, manifest, image);
    let slot = &world.machine.parts[SLOT_A];
    let signed = everboot_storage::apply::read_trailer(slot).unwrap().unwrap().signed;
    let id = signed.verify(&world.keys).unwrap().image_id();
    let pages = (0..FILLED).map(|page| slot.live().hash_of_page(page)).collect();
    Known { version, boots, id, pages, file: Pages::of(file) }
}

/// The page of a slot that has the superblock of its tree, from which nobody boots: a bit of it may be wrong.
pub const SUPERBLOCK: usize = BLOCKS;

/// The image whose bytes are in a slot, whole; its superblock may be `spoilt`.
pub fn whole(slot: &Pages, spoilt: bool) -> Option<&'static Known> {
    let counts = |page: &usize| !spoilt || *page != SUPERBLOCK;
    let same = |known: &Known, page: usize| slot.hash_of_page(page) == known.pages[page];
    let holds = |known: &&Known| (0..FILLED).filter(counts).all(|page| same(known, page));
    known().iter().find(holds)
}

/// Whether the image of that id can be entered.
pub fn boots(id: ImageId) -> bool {
    known().iter().any(|known| known.id == id && known.boots)
}

/// Page hashes that mean something, each with a number.
pub fn meanings() -> &'static HashMap<u64, u64> {
    static MEANINGS: OnceLock<HashMap<u64, u64>> = OnceLock::new();
    MEANINGS.get_or_init(|| {
        let zero = Pages::zeroed(4096).hash_of_page(0);
        let mut hashes = vec![zero];
        for known in known() {
            hashes.extend(&known.pages);
            hashes.extend((0..known.file.count()).map(|page| known.file.hash_of_page(page)));
        }
        hashes.into_iter().enumerate().map(|(number, hash)| (hash, number as u64 + 1)).collect()
    })
}
