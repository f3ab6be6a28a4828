//! Our trees against those of the real veritysetup, byte for byte.

use everboot_core::slot::{BLOCK, RootHash, Uuid};
use everboot_core::tree::{Builder, Geometry, Hasher, Reader, Superblock, TreeBlock};
use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that is removed at the end.
struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("everboot-tree-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A sparse image in which only some blocks hold something.
fn image(path: &Path, blocks: u64) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
    file.set_len(blocks * BLOCK as u64).unwrap();
    for block in [0, 1, 126, 127, 128, blocks / 2, blocks - 1] {
        if block < blocks {
            file.write_all_at(format!("this is block {block}").as_bytes(), block * BLOCK as u64).unwrap();
        }
    }
    file
}

fn our_tree(image: &File, blocks: u64, salt: &[u8]) -> (Vec<u8>, RootHash) {
    let geometry = Geometry::new(blocks).unwrap();
    let mut tree = vec![0; geometry.len_bytes() as usize];
    let mut emit = |offset: u64, block: &TreeBlock| {
        tree[offset as usize..][..BLOCK].copy_from_slice(block);
        Ok::<_, Infallible>(())
    };
    let (mut builder, hasher) = (Builder::new(geometry, salt), Hasher::new(salt));
    let mut content = [0; BLOCK];
    for block in 0..blocks {
        image.read_exact_at(&mut content, block * BLOCK as u64).unwrap();
        builder.push(hasher.block(&content), &mut emit).unwrap();
    }
    let root = builder.finish(&mut emit).unwrap();
    (tree, root)
}

/// Runs veritysetup format; returns the bytes of the hash device and the root hash that it printed.
fn their_tree(temp_dir: &Path, uuid: Uuid, salt: &[u8]) -> (Vec<u8>, String) {
    let digits: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = temp_dir.join("hash");
    let _ = std::fs::remove_file(&hash);
    let output = Command::new("veritysetup")
        .args(["format", "--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096"])
        .arg(format!("--salt={}", if digits.is_empty() { "-" } else { &digits }))
        .arg(format!("--uuid={uuid}"))
        .args([&temp_dir.join("image"), &hash])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("veritysetup of cryptsetup-bin");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let root = text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim().to_owned();
    (std::fs::read(hash).unwrap(), root)
}

fn check(blocks: u64, salt: &[u8]) {
    let temp_dir = TempDir::new(&format!("{blocks}-{}", salt.len()));
    let image = image(&temp_dir.0.join("image"), blocks);
    let (ours, root) = our_tree(&image, blocks, salt);
    let superblock = Superblock::decode(ours[..BLOCK].try_into().unwrap()).unwrap();
    let (theirs, their_root) = their_tree(&temp_dir.0, superblock.uuid, salt);
    assert_eq!(root.to_string(), their_root, "{blocks} blocks");
    // What veritysetup does not write at the end of a level of the file is a hole, and may be cut off.
    assert!(theirs.len() <= ours.len() && theirs[..] == ours[..theirs.len()], "{blocks} blocks");
    assert!(ours[theirs.len()..].iter().all(|byte| *byte == 0), "{blocks} blocks");

    let mut reader = Reader::new(Geometry::new(blocks).unwrap(), salt, root);
    let mut fetch = |offset: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&ours[offset as usize..][..buf.len()]);
        Ok::<_, Infallible>(())
    };
    let mut content = [0; BLOCK];
    for block in [0, blocks / 2, blocks - 1] {
        image.read_exact_at(&mut content, block * BLOCK as u64).unwrap();
        assert_eq!(reader.leaf(block, &mut fetch), Ok(Hasher::new(salt).block(&content)));
    }
}

#[test]
fn trees_of_one_level_are_those_of_veritysetup() {
    for blocks in [2, 3, 127, 128] {
        check(blocks, &[0xa5; 32]);
    }
}

#[test]
fn trees_of_two_and_three_levels_are_those_of_veritysetup() {
    for blocks in [129, 1000, 128 * 128 - 1, 128 * 128, 128 * 128 + 1] {
        check(blocks, b"a salt of everboot's");
    }
}

#[test]
fn any_length_of_salt_gives_the_tree_of_veritysetup() {
    for len in [0, 1, 31, 63, 64, 65, 256] {
        check(130, &vec![7; len]);
    }
}
