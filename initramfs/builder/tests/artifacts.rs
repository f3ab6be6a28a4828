//! Size and linkage of the two programs, and the initramfs's sameness.

use std::fs;

use everboot_builder::command::{program, run};
use everboot_builder::elf::{Linkage, linkage};
use everboot_builder::kernel::Kernel;
use everboot_builder::key::Key;
use everboot_builder::{initramfs, package, paths, programs};

#[test]
fn the_agent_is_static() {
    let programs = programs::agent().unwrap();
    for program in [programs.init, programs.everboot] {
        let bytes = fs::read(&program).unwrap();
        assert!(
            linkage(&bytes).unwrap().is_static(),
            "{}: {:?}",
            program.display(),
            linkage(&bytes).unwrap()
        );
    }
}

#[test]
fn a_dynamic_binary_is_seen_as_such() {
    let ourselves = fs::read(std::env::current_exe().unwrap()).unwrap();
    let Linkage { interpreter, libraries } = linkage(&ourselves).unwrap();
    assert!(interpreter && libraries > 0, "this test is an ordinary program, linked to libc");
}

#[test]
fn the_agent_is_within_its_limit() {
    let size = fs::metadata(programs::agent().unwrap().init).unwrap().len();
    assert!(size <= programs::INIT_LIMIT, "{size} bytes, allowed are {}", programs::INIT_LIMIT);
}

#[test]
fn what_a_boot_needs_is_within_its_limit() {
    let size = programs::size_with(&[]).unwrap();
    assert!(size <= programs::CORE_LIMIT, "{size} bytes, allowed are {}", programs::CORE_LIMIT);
}

#[test]
fn no_planted_bug_is_in_the_agent() {
    let agent = fs::read(programs::agent().unwrap().init).unwrap();
    let holds = |text: &str| agent.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("everboot-record"), "the search is wrong");
    for (bug, name, what) in everboot_core::mutant::Mutant::ALL {
        assert!(!holds(name) && !holds(what) && !holds(&format!("{bug:?}")), "{name} is in the agent");
    }
}

#[test]
fn the_initramfs_is_the_same_bytes_each_time() {
    let kernel = Kernel::prepare().unwrap();
    let agent = programs::agent().unwrap();
    let key = Key::prepare().unwrap();
    let make = || initramfs::everboot_bytes(&kernel, &agent.init, &[&key.public]).unwrap();
    assert!(make() == make());
}

#[test]
fn the_packages_are_the_same_bytes_each_time_and_hold_everything() {
    let agent = programs::agent().unwrap();
    let tools = programs::tools().unwrap();
    let folder = paths::work("package-twice").unwrap();
    let make = || {
        package::debian(&agent, &tools, &folder, "1000000000")
            .unwrap()
            .map(|deb| (fs::read(&deb).unwrap(), deb))
    };
    let [(everboot, deb), (pack, _), (fetch, fetcher)] = make();
    let again = make();
    assert!(everboot == again[0].0 && pack == again[1].0 && fetch == again[2].0);
    let list = run(program("dpkg-deb").arg("--contents").arg(&fetcher)).unwrap();
    for path in ["/usr/bin/everboot-fetch", "/usr/share/man/man8/everboot-fetch.8.gz"] {
        assert!(list.contains(&format!(" .{path}\n")), "{path} is not in\n{list}");
    }
    let list = run(program("dpkg-deb").arg("--contents").arg(&deb)).unwrap();
    let has = |path: &str| assert!(list.contains(&format!(" .{path}\n")), "{path} is not in\n{list}");
    for path in [
        "/usr/bin/everboot",
        "/usr/lib/everboot/everboot-init",
        everboot_core::format_versions::PATH,
        "/etc/everboot/keys/",
        "/usr/share/man/man8/everboot.8.gz",
        "/usr/share/man/man5/everboot.conf.5.gz",
    ] {
        has(path);
    }
    for entry in fs::read_dir(paths::repo().join("src/manual")).unwrap() {
        let page = entry.unwrap().file_name().into_string().unwrap();
        let page = page.trim_end_matches(".md");
        has(&format!("/usr/share/man/man{}/{page}.gz", page.rsplit('.').next().unwrap()));
    }
    for (from, to) in [
        ("dracut-module/90everboot", "/usr/lib/dracut/modules.d/90everboot"),
        ("initramfs/initramfs-tools/hooks", "/usr/share/initramfs-tools/hooks"),
    ] {
        for entry in fs::read_dir(paths::repo().join(from)).unwrap() {
            has(&format!("{to}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
}
