//! Archives of other tools, and invalid ones.

use super::*;
use std::io::Write;
use tar::Builder;

fn archive(bytes: &[u8]) -> Arc<File> {
    let name = format!("everboot-member-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn refuse(bytes: &[u8], why: &str) {
    let error = format!("{:#}", entries(&archive(bytes)).err().unwrap());
    assert!(error.contains(why), "{error}");
}

fn header(kind: EntryType, len: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(len);
    header.set_mode(0o4755);
    header.set_uid(7);
    header.set_gid(8);
    header.set_mtime(9);
    header
}

/// One member with this name in its header, whatever it is.
fn member(name: &[u8], kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = header(kind, content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

fn path(entry: &Entry) -> String {
    show(&entry.path.join(&b'/'))
}

fn content(entry: &Entry) -> Vec<u8> {
    let Kind::Leaf(Leaf::File(content)) = &entry.kind else { panic!("{} is no file", path(entry)) };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut content.clone(), &mut bytes).unwrap();
    bytes
}

#[test]
fn a_long_name_comes_whole_in_both_forms() {
    let long = format!("{}/x", "long".repeat(60));
    let mut gnu = Builder::new(Vec::new());
    gnu.append_data(&mut header(EntryType::Regular, 3), &long, &b"abc"[..]).unwrap();
    let mut pax = Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes()), ("uid", b"3000000"), ("mtime", b"5.75")]).unwrap();
    let mut short = header(EntryType::Regular, 3);
    short.set_path("short").unwrap();
    short.set_cksum();
    pax.append(&short, &b"abc"[..]).unwrap();
    for (builder, uid, time) in [(gnu, 7, 9), (pax, 3_000_000, 5)] {
        let entries = entries(&archive(&builder.into_inner().unwrap())).unwrap();
        assert_eq!((entries.len(), path(&entries[0])), (1, long.clone()));
        let meta = &entries[0].meta;
        assert_eq!((meta.mode, meta.uid, meta.gid, meta.time), (0o4755, uid, 8, time));
        assert_eq!(content(&entries[0]), b"abc");
    }
}

#[test]
fn attributes_are_kept_with_any_byte_in_them() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("SCHILY.xattr.security.capability", &b"\x01\n\0=\n"[..]), ("comment", b"x")])
        .unwrap();
    builder
        .append(
            &{
                let mut header = header(EntryType::Regular, 0);
                header.set_path("f").unwrap();
                header.set_cksum();
                header
            },
            &b""[..],
        )
        .unwrap();
    let entries = entries(&archive(&builder.into_inner().unwrap())).unwrap();
    let attributes: Vec<_> = entries[0].meta.attributes.iter().collect();
    assert_eq!(attributes, [(&"SCHILY.xattr.security.capability".to_owned(), &b"\x01\n\0=\n".to_vec())]);
}

#[test]
fn a_global_header_holds_for_all_that_follow() {
    let mut bytes = member(b"pax_global_header", EntryType::XGlobalHeader, b"9 uid=55\n");
    bytes.truncate(1024);
    bytes.extend(&member(b"a", EntryType::Regular, b"")[..512]);
    bytes.extend(member(b"b/", EntryType::Regular, b""));
    let entries = entries(&archive(&bytes)).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.meta.uid).collect::<Vec<_>>(), [55, 55]);
    assert!(matches!(entries[1].kind, Kind::Folder));
}

#[test]
fn a_name_that_leads_out_is_refused_wherever_it_stands() {
    refuse(&member(b"../etc/passwd", EntryType::Regular, b"x"), "found one with ..");
    refuse(&member(b"a/../../b", EntryType::Directory, b""), "found one with ..");
    let mut link = Builder::new(Vec::new());
    link.append_pax_extensions([("linkpath", &b"../../etc/shadow"[..])]).unwrap();
    let mut bytes = link.into_inner().unwrap();
    bytes.truncate(1024);
    bytes.extend(member(b"a", EntryType::Link, b""));
    refuse(&bytes, "found one with ..");
}

#[test]
fn an_archive_that_is_cut_off_or_damaged_is_refused() {
    let whole = member(b"a", EntryType::Regular, &[7; 5000]);
    refuse(&whole[..3000], "cut off");
    refuse(&whole[..700], "cut off");
    refuse(&whole[..300], "cut off");
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    refuse(&damaged, "expected a tar header");
    let mut huge = header(EntryType::Regular, u64::MAX - 5);
    huge.set_cksum();
    refuse(huge.as_bytes(), "cut off");
}

#[test]
fn a_header_without_measure_is_refused() {
    let mut huge = header(EntryType::XHeader, TEXT_MAX + 1);
    huge.set_cksum();
    refuse(huge.as_bytes(), "expected a header of at most");
}

#[test]
fn an_owner_that_is_left_out_is_root_and_one_that_no_file_system_has_is_refused() {
    let with = |uid: u64| {
        let mut header = header(EntryType::Fifo, 0);
        header.set_uid(uid);
        header.as_old_mut().gid = [0; 8];
        header.set_cksum();
        archive(header.as_bytes())
    };
    let found = &entries(&with(3_000_000_000)).unwrap()[0].meta;
    assert_eq!((found.uid, found.gid), (3_000_000_000, 0));
    let error = format!("{:#}", entries(&with(5_000_000_000)).err().unwrap());
    assert!(error.contains("uid: expected at most 4294967295, found 5000000000"), "{error}");
}

#[test]
fn what_no_file_system_has_is_refused() {
    refuse(&member(b"a", EntryType::new(b'M'), b""), "no file system has");
    refuse(&member(b"a", EntryType::GNUSparse, b""), "--sparse");
}

/// Gives a header whose bytes were changed the right sum, so that what it says is looked at.
fn repair(block: &mut [u8]) {
    let mut header = Header::from_byte_slice(block).clone();
    header.set_cksum();
    block.copy_from_slice(header.as_bytes());
}

#[test]
fn damage_of_any_kind_is_refused_or_harmless_and_never_a_panic() {
    use super::super::{stream, tree::Tree};
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("SCHILY.xattr.user.a", &b"b"[..]), ("uid", b"77")]).unwrap();
    builder.append_data(&mut header(EntryType::Regular, 3), "n/".repeat(70) + "file", &b"abc"[..]).unwrap();
    builder.append_link(&mut header(EntryType::Symlink, 0), "link", "n/n").unwrap();
    builder.append_link(&mut header(EntryType::Link, 0), "link/hard", "link").unwrap();
    let whole = builder.into_inner().unwrap();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..1000 {
        let mut bytes = whole.clone();
        let block = next(bytes.len() / 512) * 512;
        for _ in 0..1 + next(3) {
            // Half of them where a header has its numbers and its kind.
            let at = if next(2) == 0 { 100 + next(57) } else { next(512) };
            bytes[block + at] =
                *[0, b' ', b'/', b'.', b'0', b'7', b'g', 0x80, 0xff, next(256) as u8].get(next(10)).unwrap();
        }
        repair(&mut bytes[block..block + 512]);
        let mut tree = Tree::new();
        let done = entries(&archive(&bytes)).and_then(|entries| tree.add_layer(entries));
        match done.and_then(|()| stream::digest(&tree, 9)) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 50 && taken > 50, "{refused} refused, {taken} taken");
}
