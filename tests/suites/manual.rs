//! The manual and the completions that `everboot-pack manual` makes from the tables.

use everboot_core::config::{Config, KEYS, PARAMETERS};
use everboot_core::verbs::{Exit, Flag, GLOBAL, VERBS};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with all that it makes; gone when it is dropped.
struct Manual(PathBuf);

impl Drop for Manual {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Manual {
    fn make(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("everboot-manual-{test}-{}", std::process::id()));
        let mut pack = Command::new(everboot_kit::program::program("everboot-pack"));
        assert!(pack.arg("manual").arg(&folder).args(["--date", "2001-02-03"]).status().unwrap().success());
        Self(folder)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A page as a reader sees it, without line breaks.
    fn page(&self, name: &str) -> String {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tascii", "-P-cbou", "-rLL=2000n"]).arg(self.0.join("man").join(name));
        let text = String::from_utf8(groff.output().unwrap().stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn all_flags() -> impl Iterator<Item = &'static Flag> {
    VERBS.iter().flat_map(|verb| verb.flags).chain(GLOBAL)
}

#[test]
fn the_pages_have_every_verb_flag_exit_code_key_and_parameter() {
    let manual = Manual::make("pages");
    let page = manual.page("man8/everboot.8");
    let has = |text: &str| assert!(page.contains(text), "{text:?} is not in\n{page}");
    for verb in VERBS {
        let words: Vec<_> = verb.about.split_whitespace().collect();
        has(&[&[verb.name], verb.arguments].concat().join(" "));
        has(&verb.summary[1..]);
        has(&words.join(" "));
        verb.alias.iter().for_each(|alias| has(&format!("Also: {alias}.")));
    }
    for flag in all_flags() {
        let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
        has(&format!("--{}{value} {}", flag.name, flag.help));
    }
    for exit in Exit::ALL {
        has(&format!("{} {}", exit as u8, exit.meaning()[..1].to_uppercase() + &exit.meaning()[1..]));
    }
    for parameter in &PARAMETERS {
        has(&format!("{}={}", parameter.name, parameter.value));
        has(parameter.meaning);
    }
    let page = manual.page("man5/everboot.conf.5");
    for key in &KEYS {
        let (name, value, meaning) = (key.name, key.value, key.meaning);
        assert!(page.contains(&format!("{name} = {value} {meaning}")), "{name} is not in\n{page}");
        assert!(page.contains(&format!("Default: {}.", key.default)) || key.default.is_empty(), "{name}");
    }
}

#[test]
fn everboot_fetch_has_a_page_and_completions() {
    let manual = Manual::make("fetch");
    let page = manual.page("man8/everboot-fetch.8");
    assert!(
        page.contains("oci:REGISTRY/NAME") && page.contains("6 another everboot-fetch is at work on it"),
        "{page}"
    );
    for file in [
        "bash-completion/completions/everboot-fetch",
        "zsh/vendor-completions/_everboot-fetch",
        "fish/vendor_completions.d/everboot-fetch.fish",
    ] {
        assert!(manual.read(file).contains("installed"), "{file}");
    }
}

/// A page that nobody makes would be installed by no package.
#[test]
fn every_page_that_is_written_by_hand_is_made() {
    let manual = Manual::make("written");
    let mut found = 0;
    for entry in fs::read_dir(everboot_kit::program::repo().join("src/manual")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let page = file.strip_suffix(".md").unwrap();
        let (name, section) = page.rsplit_once('.').unwrap();
        let text = manual.page(&format!("man{section}/{page}"));
        assert!(text.starts_with(&format!("{}({section})", name.to_uppercase())), "{text}");
        assert!(text.contains(&format!("NAME {name} - ")) && text.contains("SEE ALSO"), "{text}");
        found += 1;
    }
    assert!(found >= 6, "{found}");
}

#[test]
fn the_example_configuration_says_what_is_the_default_anyway() {
    let manual = Manual::make("example");
    let text = manual.read("doc/everboot/examples/everboot.conf");
    let default = Config { compatible: "my-machine".into(), ..Config::default() };
    assert_eq!(Config::parse(&text).unwrap(), default);
    let all = text.replace("\n#", "\n").replace("\n ", "\n# ");
    assert_eq!(Config::parse(&all).unwrap(), default, "{all}");
    assert!(KEYS.iter().all(|key| all.contains(&format!("\n{} = ", key.name))), "{all}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn neither_groff_nor_mandoc_has_a_complaint() {
    let manual = Manual::make("lint");
    let pages = files(&manual.0.join("man"));
    assert!(pages.len() >= 8, "{pages:?}");
    for page in pages {
        let groff: &[&str] = &["groff", "-man", "-ww", "-z", "-Tutf8"];
        for words in [groff, &["mandoc", "-T", "lint", "-W", "warning"]] {
            let output = Command::new(words[0]).args(&words[1..]).arg(&page).output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        }
    }
}

#[test]
fn the_completions_have_every_verb_and_flag() {
    let manual = Manual::make("words");
    for file in [
        "bash-completion/completions/everboot",
        "zsh/vendor-completions/_everboot",
        "fish/vendor_completions.d/everboot.fish",
    ] {
        let text = manual.read(file);
        let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let has = |word: &str| assert!(words.contains(&word), "{word} is not in {file}");
        for verb in VERBS {
            verb.name.split(' ').chain(verb.alias).for_each(has);
        }
        for flag in all_flags() {
            let in_fish = format!("-l {} ", flag.name);
            assert!(
                words.contains(&&*format!("--{}", flag.name)) || text.contains(&in_fish),
                "{}",
                flag.name
            );
        }
    }
}

/// What the agent was called with when these keys were typed into a bash on a terminal.
fn typed(manual: &Manual, keys: &str) -> String {
    let setup = "everboot() { case \" $* \" in *' status --json '*) echo '{\"name\":\"slot-a\"},{\"name\":\"slot-b\"}' ;; \
                 *) echo \"RAN[$*]\" ;; esac; }\nsource bash-completion/completions/everboot\n";
    fs::write(manual.0.join("rc"), setup).unwrap();
    let mut shell = Command::new("script");
    shell.args(["-q", "-c", "bash --noprofile --rcfile rc -i", "/dev/null"]).current_dir(&manual.0);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(format!("{keys}\nexit\n").as_bytes()).unwrap();
    let said = String::from_utf8_lossy(&shell.wait_with_output().unwrap().stdout).into_owned();
    let ran = said.split("RAN[").nth(1).and_then(|rest| rest.split(']').next());
    ran.unwrap_or_else(|| panic!("{keys:?} ran nothing:\n{said}")).to_owned()
}

#[test]
fn bash_completes_verbs_flags_slots_and_files() {
    let manual = Manual::make("bash");
    for (keys, expected) in [
        ("everboot roll\t", "rollback"),
        ("everboot record re\t--fo\t", "record repair --force"),
        ("everboot --disk x status --no-p\t", "--disk x status --no-progress"),
        ("everboot verify slot-\ta", "verify slot-a"),
        ("everboot record init --good sl\tb", "record init --good slot-b"),
        ("everboot stage ma\tman8\teverboot.\t", "stage man/man8/everboot.8"),
        ("everboot help ver\t", "help verify"),
    ] {
        assert_eq!(typed(&manual, keys), expected);
    }
}
