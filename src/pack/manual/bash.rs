//! Completion for bash, made from the table of verbs.
//!
//! An own one, because clap's offers the word `<FILE>` where a file belongs, and knows no names of slots.

use everboot_core::verbs::{Flag, GLOBAL, VERBS};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What is the same whatever the table says. `@NAME@` is filled in.
const SCRIPT: &str = r#"# bash completion for everboot

# Names of the slots, of the disk image if one was given.
_everboot_slots() {
    everboot "$@" status --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
}

_everboot() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    local verb= option= word= flags= values= at machine=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ $option ]]; then
            case $option in --config | --disk | --staging) machine+=("$option" "$word") ;; esac
            option=
            continue
        fi
        case $word in
            @VALUED@) option=$word ;;
            -*) ;;
            *)
                case ${verb:+$verb }$word in
                    @VERBS@) verb=${verb:+$verb }$word ;;
                esac
                ;;
        esac
    done
    COMPREPLY=()
    case $option in
        '')
            case $verb in
@ARGUMENTS@            esac
            [[ $cur == -* ]] && values="$flags @GLOBAL@ --help"
            ;;
@VALUES@    esac
    case $values in
        FILE | DIR) compopt -o default 2>/dev/null ;;
        SLOT) mapfile -t COMPREPLY < <(compgen -W "$(_everboot_slots "${machine[@]}")" -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur") ;;
    esac
}
complete -F _everboot everboot
"#;

pub(super) fn script() -> String {
    let flags = || VERBS.iter().flat_map(|verb| verb.flags).chain(GLOBAL);
    let valued: BTreeSet<_> = flags().filter(|flag| flag.value.is_some()).map(spelled).collect();
    let (mut known, mut arguments) = (Vec::new(), branch("''", "--version", &offered_first()));
    let mut groups = BTreeSet::new();
    for verb in VERBS {
        if let Some((first, _)) = verb.name.split_once(' ')
            && groups.insert(first)
        {
            let names = VERBS.iter().filter_map(|verb| verb.name.strip_prefix(first)).map(str::trim_start);
            known.push(first.to_owned());
            arguments += &branch(first, "", &names.collect::<Vec<_>>().join(" "));
        }
        let names: Vec<_> = [Some(verb.name), verb.alias].into_iter().flatten().map(quoted).collect();
        let own = verb.flags.iter().map(spelled).collect::<Vec<_>>().join(" ");
        let argument = verb.arguments.first().map_or("", |name| name.trim_matches(['[', ']']));
        let offered = if argument == "VERB" { offered_first() } else { argument.to_owned() };
        arguments += &branch(&names.join(" | "), &own, &offered);
        known.extend(names);
    }
    let values: BTreeSet<_> = flags().filter_map(|flag| Some((spelled(flag), flag.value?))).collect();
    let values = values.iter().fold(String::new(), |mut out, (flag, value)| {
        let value = if flag == "--slot" || flag == "--good" {
            "SLOT"
        } else {
            value.split('|').next().unwrap_or(value)
        };
        let is_known = ["FILE", "DIR", "SLOT"].contains(&value);
        let _ = writeln!(out, "        {flag}) values={} ;;", if is_known { value } else { "" });
        out
    });
    let global = GLOBAL.iter().map(spelled).collect::<Vec<_>>().join(" ");
    let valued = valued.into_iter().collect::<Vec<_>>().join(" | ");
    let rows = [("VALUED", valued), ("VERBS", known.join(" | ")), ("VALUES", values)];
    let rows = rows.into_iter().chain([("ARGUMENTS", arguments), ("GLOBAL", global)]);
    rows.fold(SCRIPT.to_owned(), |script, (name, text)| script.replace(&format!("@{name}@"), &text))
}

/// One row of the table of verbs: its own options, and what its argument may be.
fn branch(verb: &str, flags: &str, values: &str) -> String {
    format!("                {verb}) flags='{flags}' values='{values}' ;;\n")
}

/// What may be the first word.
fn offered_first() -> String {
    let mut seen = BTreeSet::new();
    let first = |name: &'static str| name.split(' ').next().unwrap_or(name);
    let words = VERBS.iter().map(|verb| first(verb.name)).filter(|word| seen.insert(*word));
    words.collect::<Vec<_>>().join(" ")
}

fn spelled(flag: &Flag) -> String {
    format!("--{}", flag.name)
}

fn quoted(name: &str) -> String {
    if name.contains(' ') { format!("'{name}'") } else { name.to_owned() }
}
