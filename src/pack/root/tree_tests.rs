//! Trees of few names: a folder ends in a slash, a file has its length, a link its target.

use super::super::entry::Content;
use super::super::name::parts;
use super::*;
use std::fs::File;
use std::sync::Arc;

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: parts(path.as_bytes()).unwrap(), meta: Meta::default(), kind }
}

/// `a/` a folder, `a=3` a file of 3 bytes, `a->b` a symbolic link, `a==b` one more name of b.
fn entries(all: &[&str]) -> Vec<Entry> {
    let one = |text: &&str| {
        if let Some((path, target)) = text.split_once("->") {
            return entry(path, Kind::Leaf(Leaf::Symlink(target.into())));
        }
        if let Some((path, target)) = text.split_once("==") {
            return entry(path, Kind::Link(parts(target.as_bytes()).unwrap()));
        }
        match text.split_once('=') {
            Some((path, len)) => {
                let file = Arc::new(File::open("/dev/null").unwrap());
                let content = Content { file, offset: 0, len: len.parse().unwrap() };
                entry(path, Kind::Leaf(Leaf::File(content)))
            }
            None => entry(text, Kind::Folder),
        }
    };
    all.iter().map(one).collect()
}

fn try_layers(layers: &[&[&str]]) -> Result<String> {
    let mut tree = Tree::new();
    for layer in layers {
        tree.add_layer(entries(layer))?;
    }
    let mut names = Vec::new();
    tree.visit(&mut |visit| {
        let path = show(visit.path);
        names.push(match (&visit.node.body, visit.link) {
            (_, Some(first)) => format!("{path}=={}", show(first)),
            (Body::Folder(_), _) => format!("{path}/"),
            (Body::Leaf(Leaf::File(content)), _) => format!("{path}={}", content.len),
            (Body::Leaf(Leaf::Symlink(target)), _) => format!("{path}->{}", show(target)),
            _ => path,
        });
        Ok(())
    })?;
    Ok(names[1..].join(" "))
}

fn check(layers: &[&[&str]], expected: &str) {
    assert_eq!(try_layers(layers).unwrap(), expected, "{layers:?}");
}

fn refuse(layers: &[&[&str]], why: &str) {
    let error = format!("{:#}", try_layers(layers).unwrap_err());
    assert!(error.contains(why), "{layers:?}: {error}");
}

#[test]
fn names_are_sorted_and_folders_come_before_what_is_in_them() {
    check(&[&["b=1", "a/c=2", "a/b/", "a.x=3"]], "a/ a/b/ a/c=2 a.x=3 b=1");
}

#[test]
fn a_later_layer_replaces_files_folders_and_links_by_each_other() {
    check(&[&["a=1"], &["a=2"]], "a=2");
    check(&[&["a/b/c=1"], &["a=2"]], "a=2");
    check(&[&["a=1"], &["a/", "a/b=2"]], "a/ a/b=2");
    check(&[&["a->b", "b/"], &["a/", "a/c=1"]], "a/ a/c=1 b/");
    check(&[&["a/b=1"], &["a/", "a/c=2"]], "a/ a/b=1 a/c=2");
    check(&[&["a/b=1"], &["a->/c"]], "a->/c");
}

#[test]
fn a_whiteout_takes_away_a_name_and_all_below_it() {
    check(&[&["a/b/c=1", "a/d=1", "e=1"], &["a/.wh.b", ".wh.e"]], "a/ a/d=1");
    check(&[&["a=1"], &[".wh.b", "x/y/.wh.z"]], "a=1");
}

#[test]
fn an_opaque_folder_has_what_its_layer_brings() {
    let below: &[&str] = &["a/b=1", "a/c/d=1", "e=1"];
    check(&[below, &["a/", "a/.wh..wh..opq", "a/f=2"]], "a/ a/f=2 e=1");
    check(&[below, &["a/f=2", "a/c/g=3", "a/.wh..wh..opq"]], "a/ a/c/ a/c/g=3 a/f=2 e=1");
}

#[test]
fn a_whiteout_hides_nothing_of_its_own_layer_whatever_comes_first() {
    check(&[&["a/b=1"], &["a/b=2", "a/.wh.b"]], "a/ a/b=2");
    check(&[&["a/b=1"], &["a/.wh.b", "a/b/c=2"]], "a/ a/b/ a/b/c=2");
    check(&[&["a=1"], &[".wh.a"], &["a=3"]], "a=3");
}

#[test]
fn hard_links_reach_into_lower_layers_and_outlive_their_first_name() {
    check(&[&["a=1", "b==a"]], "a=1 b==a");
    check(&[&["z=1"], &["a==z"]], "a=1 z==a");
    check(&[&["a=1", "b==a"], &["a=2"]], "a=2 b=1");
    check(&[&["a=1", "b==a"], &[".wh.a"]], "b=1");
    check(&[&["a->x", "b==a"]], "a->x b==a");
}

#[test]
fn a_hard_link_to_nothing_or_to_a_folder_is_refused() {
    refuse(&[&["a==b"]], "expected a hard link to a file, found none at b");
    refuse(&[&["b/", "a==b"]], "expected a hard link to a file, found none at b");
    refuse(&[&["b=1"], &[".wh.b", "a==b"]], "found none at b");
}

#[test]
fn a_link_in_the_way_of_a_name_is_followed_within_the_root() {
    check(&[&["usr/lib/", "lib->usr/lib"], &["lib/x=1"]], "lib->usr/lib usr/ usr/lib/ usr/lib/x=1");
    check(
        &[&["usr/lib/", "lib->/usr/lib"], &["lib/.wh.x", "lib/y=1"]],
        "lib->/usr/lib usr/ usr/lib/ usr/lib/y=1",
    );
    check(&[&["run/", "var/run->../run"], &["var/run/x=1"]], "run/ run/x=1 var/ var/run->../run");
    check(&[&["a->b"], &["a/x=1"]], "a->b b/ b/x=1");
}

#[test]
fn no_link_leads_out_of_the_root() {
    check(&[&["out->../../../../etc", "out/passwd=1"]], "etc/ etc/passwd=1 out->../../../../etc");
    check(&[&["out->/", "out/../../x=1"][..1]], "out->/");
    check(&[&["d/out->../..", "d/out/x=1"]], "d/ d/out->../.. x=1");
}

#[test]
fn links_in_a_circle_and_files_in_the_way_are_refused() {
    refuse(&[&["a->b", "b->a", "a/x=1"]], "symbolic links");
    refuse(&[&["a=1"], &["a/x=1"]], "expected a folder, found a file at a");
    refuse(&[&["./=1"]], "expected the root to be a folder");
}

#[test]
fn folders_do_not_grow_without_end_through_links() {
    let deep = "d/".repeat(1500);
    let below = format!("l/{}x=1", "e/".repeat(1000));
    refuse(&[&[&deep, &format!("l->{deep}"), &below]], "folders in one another");
}
