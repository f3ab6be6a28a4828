//! A disk as a small picture.

use super::known::{FILLED, known};
use everboot_core::record::Copy;
use everboot_kit::picture;
use everboot_kit::sim::pages::{PAGE, Pages};
use everboot_kit::sim::{DurableState, PageView, RECORD, SLOT_A, SLOT_B};
use everboot_storage::apply::read_trailer;

/// One line for each copy of the record, for each slot, and for the staging area.
///
/// A block of a slot is the number of its version, `.` for zeroes, `#` for anything else.
pub fn disk(durable: &DurableState) -> String {
    let record = &durable.parts[RECORD];
    let mut lines = vec![
        format!("  first copy  {}", copy(record, 0)),
        format!("  last copy   {}", copy(record, record.count() - 1)),
    ];
    for (name, part) in [("slot-a", SLOT_A), ("slot-b", SLOT_B)] {
        lines.push(format!("  {name}      {}", slot(&durable.parts[part])));
    }
    for (name, content) in &durable.files {
        let whole = known().iter().find(|known| known.file.hash() == content.hash());
        let what = whole.map_or("damaged".to_owned(), |known| format!("version {}", known.version));
        lines.push(format!("  {name}: {what}, {} bytes", content.len()));
    }
    lines.join("\n")
}

fn copy(record: &Pages, page: usize) -> String {
    match Copy::decode(record.page(page)) {
        Copy::Valid { generation, record, .. } => {
            let text = picture::show(&record);
            // Of a root hash the first byte says nothing to a reader.
            let words = text.split(' ').map(|word| {
                word.split_once('#').map_or(word.to_owned(), |(state, rest)| {
                    format!("{state}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
                })
            });
            format!("{generation}: {}", words.collect::<Vec<_>>().join(" "))
        }
        Copy::Newer { unread, .. } => unread.to_string(),
        Copy::Bad(why) => why.to_string(),
    }
}

fn slot(slot: &Pages) -> String {
    let block = |page: usize| {
        let hash = slot.hash_of_page(page);
        let version = known().iter().find(|known| known.pages[page] == hash).map(|known| known.version);
        match version {
            Some(version) => (b'0' + version) as char,
            None if slot.page(page) == &[0; PAGE] => '.',
            None => '#',
        }
    };
    let blocks: String = (0..FILLED).map(block).collect();
    let trailer = match read_trailer(&PageView::all(slot)).ok().flatten() {
        None => "no trailer".to_owned(),
        Some(trailer) => match trailer.mark {
            None => "trailer".to_owned(),
            Some((generation, _)) => format!("trailer, mark {generation}"),
        },
    };
    format!("{blocks}  {trailer}")
}
