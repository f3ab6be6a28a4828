//! The report as one page of HTML that needs no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.15em .8em;border-bottom:1px solid #ddd;text-align:left}\
td.n{text-align:right}svg{background:#fafafa;border:1px solid #ddd}.broken{color:#b00}.strip{display:inline-block;vertical-align:top;margin:0 1.5em .8em 0}.legend span{margin-right:1em;white-space:nowrap}\
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}code{background:#f2f2f2}";
/// What a column says, after what it is.
const KEY: &str = "; its height is the number of disks that this may leave, on a logarithmic scale.";
/// One for each outcome of a boot, in the order of the report.
const COLOURS: [&str; 4] = ["#3a8f4d", "#3b6fb6", "#e0a030", "#b03030"];
/// What is counted in process.
const CRASH: &[(&str, &str)] = &[
    ("states", "crash states, each booted and checked once"),
    ("images", "disks made, those that were known already included"),
    ("exhaustive_epochs", "times between two barriers of which every subset of sectors was lost"),
    ("family_epochs", "the same, of which families of subsets and samples were"),
    ("sampled", "disks by chance"),
    ("weak", "states on devices that broke their word"),
    ("lost_copies", "states with lost copies of the record"),
    ("faulty", "states after an I/O error"),
    ("faults", "operations that failed"),
    ("nodes", "states from which the search went on"),
    ("acts", "acts that were cut everywhere"),
    ("most_cuts", "power cuts one after the other, at most"),
];
/// What is counted of the block log.
const LOG: &[(&str, &str)] = &[
    ("entries", "entries of the logs"),
    ("flushes", "flushes among them"),
    ("barriers", "barriers of the agent, each of which the disk saw"),
    ("needed", "flushes whose absence is noticed"),
    ("epochs", "times between two flushes with a write"),
    ("exhaustive", "of these, those of which every subset of sectors, or of larger pieces, was enumerated"),
    ("coarse", "of these, those with so many sectors that larger pieces are lost"),
    ("enumerated", "ways in which they may end"),
    ("made", "disks made, those that were known already included"),
    ("images", "distinct disks, each booted by the agent and checked"),
    ("unsure", "of these, with a write that no flush surely covered"),
    ("staging_lost", "of these, with a staging area that could not be read"),
    ("damages_seen", "planted corruptions that no power cut leaves, each of which was found"),
    ("agent_runs", "runs of the agent"),
    ("kinds", "kinds of outcomes"),
    ("boots", "boots in QEMU"),
];
/// A letter of a strip, what it is, and its colour.
type Change = (char, &'static str, &'static str);
/// The letters of the search in process.
const CHANGES: &[Change] = &[
    ('r', "the record is written", "#555"),
    ('w', "a slot is written", "#999"),
    ('f', "the staged file is written", "#bbb"),
    ('n', "a name changes", "#c8a"),
    ('s', "a barrier", "#000"),
];
/// The letters of the block log.
const AREAS: &[Change] = &[
    ('r', "the record is written", "#555"),
    ('w', "a slot is written", "#999"),
    ('d', "only the data partition is written: its file system, with the staged file", "#bbb"),
    ('t', "only the partition table, or a partition that is not everboot's", "#c8a"),
];

/// The page of a report.
pub(super) fn page(report: &Value) -> String {
    let (crash, log) = (&report["crash"], &report["log"]);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "everboot: faults" } style { (PreEscaped(STYLE)) } }
            body {
                h1 { "everboot: faults" }
                (verdict(report))
                h2 { "In process" }
                (totals(&crash["counts"], CRASH))
                (progress(crash))
                (scenarios(crash, &report["policy"]))
                h2 { "The crash space at the start of each scenario" }
                p { "Each column is a moment at which power fails" (KEY) }
                (legend(crash, CHANGES))
                @for scenario in list(&crash["scenarios"]) {
                    h3 { (text(&scenario["name"])) }
                    (strips(scenario, CHANGES))
                }
                h2 { "Block log of a real disk" }
                (totals(&log["counts"], LOG))
                @for failure in list(&log["failures"]) { (broken(failure, "qemu/faults replay", "")) }
                h2 { "The crash space of the block log" }
                p { "Each column is the time between two flushes in which power fails" (KEY) }
                (legend(log, AREAS))
                (strips(log, AREAS))
            }
        }
    };
    page.into_string()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn verdict(report: &Value) -> Markup {
    let broken: Vec<&Value> = list(&report["wrong"]).collect();
    html! {
        @if broken.is_empty() { p { "No promise was broken." } }
        @for what in broken { p.broken { (text(what)) } }
        p {
            "seed " (text(&report["seed"])) ", " (text(&report["minutes"])) " minutes; "
            @match (report["bundle"].as_str(), report["disk"].as_str()) {
                (Some(bundle), Some(disk)) => { "update " code { (bundle) } " on the machine of " code { (disk) } }
                (Some(bundle), None) => { "update " code { (bundle) } " on a machine of the campaign's own" }
                _ => "a machine and an update of the campaign's own"
            }
        }
    }
}

fn totals(counts: &Value, names: &[(&str, &str)]) -> Markup {
    html! {
        table {
            @for (name, what) in names { tr { td { (what) } td.n { (text(&counts[name])) } } }
        }
    }
}

fn scenarios(crash: &Value, policy: &Value) -> Markup {
    let policy = policy.as_str().map_or(String::new(), |file| format!(" --policy '{file}'"));
    let words = ["states", "images", "nodes", "most_cuts"];
    html! {
        table {
            tr { th { "scenario" } @for word in words { th { (word.replace('_', " ")) } } th { "closed" } }
            @for scenario in list(&crash["scenarios"]) {
                tr {
                    td { (text(&scenario["name"])) }
                    @for word in words { td.n { (text(&scenario["counts"][word])) } }
                    td {
                        @if scenario["closed"] == true { "yes" } @else { (text(&scenario["waiting"])) " wait" }
                        @if scenario["failure"].is_object() {
                            (broken(&scenario["failure"], "out/everboot-crash replay", &policy))
                        }
                    }
                }
            }
        }
    }
}

/// A promise that was broken, and the command that shows it again.
fn broken(failure: &Value, command: &str, flags: &str) -> Markup {
    html! {
        p.broken { (text(&failure["invariant"])) ": " (text(&failure["what"])) }
        p { code { (command) " '" (text(&failure["replay"])) "'" (flags) } }
    }
}

/// Crash states over time.
fn progress(crash: &Value) -> Markup {
    let kept = number(&crash["kept"]);
    let seen = list(&crash["points"]).map(|point| (number(&point["seconds"]), number(&point["states"])));
    let last = (number(&crash["seconds"]), number(&crash["counts"]["states"]));
    let points: Vec<(f64, f64)> = [(0.0, kept)].into_iter().chain(seen).chain([last]).collect();
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(1.0, f64::max);
    let (time, states) = (most(|point| point.0), most(|point| point.1));
    let (width, height) = (900.0, 160.0);
    let place = |(at, count): &(f64, f64)| {
        format!("{:.1},{:.1}", at / time * width, height - count / states * height)
    };
    let line: Vec<String> = points.iter().map(place).collect();
    html! {
        p {
            (format!("Crash states over time: {states:.0} after {time:.0} s"))
            @if kept > 0.0 { (format!(", {kept:.0} of them in earlier runs with this seed")) }
        }
        svg width=(width) height=(height) {
            text x="6" y="16" font-size="12" { (format!("{states:.0}")) }
            text x=(width - 6.0) y=(height - 6.0) font-size="12" text-anchor="end" { (format!("{time:.0} s")) }
            polyline points=(line.join(" ")) fill="none" stroke=(COLOURS[1]) stroke-width="2" {}
        }
    }
}

fn legend(of: &Value, changes: &[Change]) -> Markup {
    html! {
        p.legend {
            "Where they boot: "
            @for (outcome, colour) in list(&of["outcomes"]).zip(COLOURS) { (sample(text(outcome), colour)) }
            br;
            "Below, what happens then: "
            @for (_, what, colour) in changes { (sample((*what).to_owned(), colour)) }
        }
    }
}

fn sample(what: String, colour: &str) -> Markup {
    html! { span { i style=(format!("background:{colour}")) {} (what) } }
}

fn strips(scenario: &Value, changes: &[Change]) -> Markup {
    html! {
        @for strip in list(&scenario["strips"]) {
            div.strip { code { (text(&strip["act"])) } br; (picture(strip, changes)) }
        }
    }
}

fn picture(strip: &Value, changes: &[Change]) -> Markup {
    let columns: Vec<Vec<f64>> =
        list(&strip["outcomes"]).map(|counts| list(counts).map(number).collect()).collect();
    let most = columns.iter().map(|counts| counts.iter().sum::<f64>()).fold(1.0, f64::max);
    let (wide, high) = ((900.0 / columns.len().max(1) as f64).min(12.0), 60.0);
    // Logarithmic: an epoch of ten sectors has a thousand ways, one of one has two.
    let scale = |count: f64| (1.0 + count).ln() / (1.0 + most).ln() * high;
    let bars = columns.iter().enumerate().flat_map(|(at, counts)| {
        let sum: f64 = counts.iter().sum();
        let mut from = high;
        let parts: Vec<_> = counts
            .iter()
            .zip(COLOURS)
            .map(|(count, colour)| {
                let part = if sum > 0.0 { scale(sum) * count / sum } else { 0.0 };
                from -= part;
                (at as f64 * wide, from, part, colour)
            })
            .collect();
        parts
    });
    let text = text(&strip["changes"]);
    // In process the first column is the moment before the first change; an epoch of a log is a change.
    let first = columns.len().saturating_sub(text.chars().count()) as f64;
    let marks = text.chars().enumerate().filter_map(|(at, letter)| {
        let (_, _, colour) = changes.iter().find(|(known, ..)| *known == letter)?;
        Some(((at as f64 + first) * wide, *colour))
    });
    html! {
        svg width=(format!("{:.0}", columns.len() as f64 * wide)) height=(high + 10.0) {
            @for (x, y, part, colour) in bars.filter(|(_, _, part, _)| *part > 0.0) {
                rect x=(format!("{x:.1}")) y=(format!("{y:.1}")) width=(format!("{wide:.1}"))
                    height=(format!("{part:.1}")) fill=(colour) {}
            }
            @for (x, colour) in marks {
                rect x=(format!("{x:.1}")) y=(high + 3.0) width=(format!("{:.1}", wide.max(1.0) - 0.5)) height="7" fill=(colour) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everboot_blocklog::Counts;
    use serde_json::json;

    #[test]
    fn all_that_is_counted_is_shown() {
        let counts = serde_json::to_value(Counts::default()).unwrap();
        let mut shown: Vec<_> = LOG.iter().map(|(name, _)| *name).collect();
        shown.sort_unstable();
        let mut counted: Vec<_> = counts.as_object().unwrap().keys().map(String::as_str).collect();
        counted.sort_unstable();
        assert_eq!(shown, counted);
    }

    #[test]
    fn a_page_shows_what_is_broken_and_needs_no_other_file() {
        let strip =
            json!({ "act": "boot", "changes": "rs", "outcomes": [[1, 0, 0, 0], [3, 1, 0, 0], [0, 2, 0, 0]] });
        let failure = json!({ "invariant": "no_strand", "what": "a < b", "replay": "v1/due/1/boot" });
        let failure_of_log = json!({ "invariant": "no_regress", "what": "b", "replay": "early/sure/1/2/3" });
        let report = json!({
            "seed": 7, "minutes": 6, "wrong": ["1 of 2 scenarios"],
            "crash": {
                "counts": { "states": 12 }, "outcomes": ["a good slot", "a trial"],
                "points": [{ "seconds": 1.0, "states": 5 }, { "seconds": 2.0, "states": 12 }],
                "scenarios": [{ "name": "due", "closed": false, "waiting": 3, "counts": {}, "strips": [strip],
                                "failure": failure }],
            },
            "log": { "counts": { "images": 4000 }, "failures": [failure_of_log] },
            "policy": "my.conf",
        });
        let page = page(&report);
        for part in [
            "1 of 2 scenarios",
            "no_strand",
            "a &lt; b",
            "replay 'v1/due/1/boot' --policy 'my.conf'",
            "4000",
            "3 wait",
            "faults replay 'early/sure/1/2/3'",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert_eq!(page.matches("<rect").count(), 4 + 2, "{page}");
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("<link"));
    }
}
