//! README, design and manual say what is: every test, path, verb, option, exit code, key and link that they name is
//! there, and the first steps of the README do what it says.

use everboot_core::config::{Config, KernelCommandLine, PARAMETERS};
use everboot_core::verbs::{Exit, GLOBAL, VERBS};
use everboot_kit::program::{program, repo};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A document: its path in the repository, and its text.
struct Document {
    path: String,
    text: String,
}

/// README, design, and the pages of the manual that are written by hand.
fn documents() -> Vec<Document> {
    let pages = fs::read_dir(repo().join("src/manual")).unwrap();
    let pages = pages.map(|entry| format!("src/manual/{}", entry.unwrap().file_name().display()));
    let mut paths: Vec<_> =
        ["README.md", "src/DESIGN.md"].map(String::from).into_iter().chain(pages).collect();
    paths.sort();
    assert!(paths.len() >= 8, "{paths:?}");
    paths.into_iter().map(|path| Document { text: read(&path), path }).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(repo().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Document {
    /// What stands between single backticks, in one line each.
    fn quoted(&self) -> Vec<String> {
        let outside_blocks = self.text.split("```").step_by(2);
        let quoted = outside_blocks.flat_map(|text| text.split('`').skip(1).step_by(2));
        quoted.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// The commands in its blocks of code, without comments, and those in its text.
    fn commands(&self) -> Vec<String> {
        let blocks = self.text.split("```").skip(1).step_by(2).map(|block| block.replace("\\\n", " "));
        let lines: Vec<_> =
            blocks.flat_map(|block| block.lines().map(String::from).collect::<Vec<_>>()).collect();
        let lines = lines.iter().map(|line| line.split(" #").next().unwrap().to_owned());
        let all: Vec<_> = lines.chain(self.quoted()).collect();
        let parts = all.iter().flat_map(|line| line.split(['|', ';']).flat_map(|part| part.split("&&")));
        let parts = parts.map(|part| part.trim().trim_start_matches("do ").to_owned());
        parts.filter(|part| part.starts_with("everboot")).collect()
    }
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut found = 0;
    for document in documents() {
        for name in document.quoted().into_iter().filter(|name| name.contains("::")) {
            let (module, test) = name.split_once("::").unwrap();
            let source = match module {
                "crash" => ["tests", "planted"].map(|file| read(&format!("tests/crash/{file}.rs"))).concat(),
                "fetch" => ["web", "channel", "agent", "reassembly"]
                    .map(|file| read(&format!("tests/suites/fetch/{file}.rs")))
                    .concat(),
                "tidy" => read("tests/suites/tidy/mod.rs"),
                _ => read(&format!("tests/suites/{module}.rs")),
            };
            assert!(test == "*" || source.contains(&format!("fn {test}(")), "{}: {name}", document.path);
            found += 1;
        }
        for name in document.quoted().into_iter().filter(|name| name.starts_with("invariant_")) {
            let sources = ["kit/invariants.rs", "kit/cuts.rs", "crash/invariants.rs"]
                .map(|file| read(&format!("tests/{file}")));
            assert!(sources.concat().contains(&format!("fn {name}(")), "{}: {name}", document.path);
        }
        let text = document.text.replace("Story `", "story `").replace("story\n`", "story `");
        for name in text.split("story `").skip(1).map(|rest| rest.split('`').next().unwrap()) {
            read(&format!("qemu/stories/{name}.rs"));
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

/// Paths in the repository that stand in backticks; `out/` is made, and names with `*` or `X` stand for others.
#[test]
fn every_path_that_a_page_names_is_there() {
    let mut found = 0;
    for document in documents() {
        for path in document.quoted() {
            let path = path.split(' ').next().unwrap().trim_start_matches("./");
            let tops = ["src/", "tests/", "qemu/", "initramfs/", "dracut-module/"];
            if tops.iter().any(|top| path.starts_with(top)) {
                assert!(repo().join(path).exists(), "{}: {path}", document.path);
                found += 1;
            }
        }
    }
    assert!(found > 40, "{found}");
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let folder = repo().join(&document.path);
        let folder = folder.parent().unwrap();
        for link in document.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(link.contains("://") || folder.join(link).is_file(), "{}: {link}", document.path);
        }
    }
}

#[test]
fn every_verb_and_option_that_a_page_names_is_known() {
    let mut helps = BTreeMap::new();
    let mut found = 0;
    for document in documents() {
        for command in document.commands() {
            let words: Vec<_> = command.split_whitespace().collect();
            let said = match words[..] {
                ["everboot", ..] => check_verb(&words[1..]),
                ["everboot-pack" | "everboot-fetch", ..] => check_tool(&words, &mut helps),
                _ => continue,
            };
            said.unwrap_or_else(|why| panic!("{}: {command}: {why}", document.path));
            found += usize::from(words.len() > 1);
        }
    }
    assert!(found > 80, "{found}");
}

/// Whether `everboot` takes these words: global options, a verb, and options that the verb has.
fn check_verb(words: &[&str]) -> Result<(), String> {
    let mut rest = words.iter().copied().peekable();
    let (mut name, mut flags) = (String::new(), Vec::new());
    while let Some(word) = rest.next() {
        match word.trim_matches(['[', ']']).strip_prefix("--") {
            Some(flag) => {
                if GLOBAL.iter().any(|known| known.name == flag && known.value.is_some()) {
                    rest.next();
                }
                flags.push(flag);
            }
            None if name.is_empty() => {
                let two = rest.peek().map(|next| format!("{word} {next}"));
                let two = two.filter(|two| VERBS.iter().any(|verb| verb.name == two));
                name = two.unwrap_or_else(|| word.to_owned());
            }
            None => {}
        }
    }
    // What a page says of every verb at once, such as `everboot --disk FILE`.
    let own = match (name.as_str(), VERBS.iter().find(|verb| verb.name == name || verb.alias == Some(&name)))
    {
        ("" | "VERB", _) => &[],
        (_, Some(verb)) => verb.flags,
        (_, None) => return Err(format!("{name:?} is no verb")),
    };
    let is_known = |flag: &&str| own.iter().chain(GLOBAL).any(|known| known.name == *flag);
    match flags.iter().find(|flag| !is_known(flag)) {
        Some(flag) => Err(format!("{name} has no --{flag}")),
        None => Ok(()),
    }
}

/// The same of a tool, by its help.
fn check_tool(words: &[&str], helps: &mut BTreeMap<String, String>) -> Result<(), String> {
    let named = words.get(1).filter(|word| words[0] == "everboot-pack" && !word.starts_with('-'));
    let key = [words[0], named.unwrap_or(&"")].join(" ");
    let help = helps.entry(key).or_insert_with(|| {
        let output = Command::new(program(words[0])).args(named).arg("--help").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if output.status.success() { said } else { String::new() }
    });
    if help.is_empty() {
        return Err("its help has no such command".to_owned());
    }
    let known: Vec<_> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let flags = words.iter().filter(|word| word.starts_with('-'));
    match flags.into_iter().find(|flag| !known.contains(flag)) {
        Some(flag) => Err(format!("its help does not have {flag}")),
        None => Ok(()),
    }
}

#[test]
fn every_exit_code_that_a_page_names_is_one() {
    let mut found = 0;
    for document in documents() {
        let text = document.text.replace("exit code\n", "exit code ");
        for code in
            text.split("exit code ").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        {
            let code = code.unwrap();
            assert!(
                Exit::ALL.iter().any(|exit| (*exit as u8).to_string() == code),
                "{}: {code}",
                document.path
            );
            found += 1;
        }
    }
    assert!(found > 8, "{found}");
}

/// `key = value` between backticks, and words of the kernel command line.
#[test]
fn every_key_and_parameter_that_a_page_names_is_known() {
    let mut found = 0;
    for document in documents() {
        for text in document.quoted() {
            if let Some((key, value)) = text.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
                let line = format!("{key} = {}", value.replace("$5$...", "none"));
                let more = if key == "compatible" { "" } else { "compatible = x\n" };
                Config::parse(&format!("{more}{line}"))
                    .unwrap_or_else(|why| panic!("{}: {why}", document.path));
                found += 1;
            }
            if text.starts_with("everboot.") && !text.contains("everboot.conf") && text != "everboot." {
                let text = text.replace("NAME", "slot-a").replace("SECONDS", "7").replace("WHERE", "apply");
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                let is_known = PARAMETERS.iter().any(|parameter| parameter.name == name);
                let (_, wrong) = KernelCommandLine::parse(&text);
                assert!(is_known && (value.is_empty() || wrong.is_empty()), "{}: {text}", document.path);
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn nothing_in_a_page_waits_to_be_filled_in() {
    for document in documents() {
        for mark in ["FIGURES", "SIZE_", "TODO", "FIXME"] {
            assert!(!document.text.contains(mark), "{}: {mark}", document.path);
        }
    }
}

/// The words of the design, as they stand in the code too.
#[test]
fn the_words_of_the_code_are_those_of_the_design() {
    let design = read("src/DESIGN.md");
    let words = design.split("\n## Words\n").nth(1).unwrap();
    let words: Vec<_> = words.lines().filter(|line| line.starts_with('|')).collect();
    let code = read("src/core/lib.rs");
    let code: Vec<_> = code.lines().filter_map(|line| line.strip_prefix("//! ")).collect();
    let code: Vec<_> = code.into_iter().filter(|line| line.starts_with('|')).collect();
    assert!(words.len() > 35, "{words:?}");
    assert_eq!(words, code);
}

/// A folder with the programs in `out`; gone when it is dropped.
struct Checkout(PathBuf);

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Checkout {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("everboot-readme-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("out")).unwrap();
        for name in ["everboot", "everboot-pack"] {
            std::os::unix::fs::symlink(program(name), folder.join("out").join(name)).unwrap();
        }
        Self(folder)
    }

    fn bash(&self, folder: &Path, script: &str) -> (Output, String) {
        let mut bash = Command::new("bash");
        bash.args(["-euc", script]).current_dir(self.0.join(folder));
        let output = bash.output().unwrap();
        let said = String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap();
        (output, said)
    }
}

#[test]
fn the_first_steps_of_the_readme_do_what_it_says() {
    let readme = read("README.md");
    let steps = readme.split("\n## Try it on a file\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<_> = steps.split("```").skip(1).step_by(2).collect();
    let [_build, prepare, update, shown, fail] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let script = |block: &str| block.strip_prefix("sh\n").unwrap().to_owned();
    let checkout = Checkout::new();

    let (output, said) = checkout.bash(Path::new(""), &(script(prepare) + &script(update)));
    assert!(output.status.success(), "{said}");
    // Images have other root hashes each time.
    let is_hash = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = |line: &str| {
        let words = line.split_whitespace().map(|word| if is_hash(word) { "HASH" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    let said: Vec<_> = said.lines().map(words).collect();
    for line in shown.lines().filter(|line| !line.is_empty()).map(words) {
        assert!(said.contains(&line), "{line:?} is not in\n{}", said.join("\n"));
    }

    let there = Path::new("out/try");
    let path = "PATH=$PWD/..:$PATH\n";
    let (output, said) = checkout.bash(there, &(path.to_owned() + &script(fail)));
    assert!(output.status.success() && said.contains("rolled back"), "{said}");
    let (_, said) = checkout.bash(there, &format!("{path}everboot --disk disk.img status"));
    assert!(said.contains("next boot  slot-a"), "{said}");
    let (output, said) = checkout.bash(there, &format!("{path}everboot --disk disk.img stage v2.everboot"));
    assert_eq!(output.status.code(), Some(Exit::Refused as i32), "{said}");
}
