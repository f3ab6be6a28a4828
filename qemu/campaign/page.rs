//! The report as one page of HTML that needs no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.15em .8em;border-bottom:1px solid #ddd;text-align:left}\
td.n{text-align:right}svg{background:#fafafa;border:1px solid #ddd}.broken{color:#b00}code{background:#f2f2f2}";
/// One for each outcome of a boot, in the order of the report.
const COLOURS: [&str; 4] = ["#3a8f4d", "#3b6fb6", "#e0a030", "#b03030"];
/// What each letter of a strip is.
const CHANGES: [(char, &str, &str); 5] = [
    ('r', "the record is written", "#555"),
    ('w', "a slot is written", "#999"),
    ('f', "the staged file is written", "#bbb"),
    ('n', "a name changes", "#c8a"),
    ('s', "a barrier", "#000"),
];

/// The page of a report.
pub(super) fn page(report: &Value) -> String {
    let crash = &report["crash"];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "everboot: faults" } style { (PreEscaped(STYLE)) } }
            body {
                h1 { "everboot: faults" }
                (verdict(report))
                h2 { "In process" }
                (totals(&crash["counts"]))
                (progress(crash))
                (scenarios(crash))
                h2 { "The crash space at the start of each scenario" }
                (legend(crash))
                @for scenario in list(&crash["scenarios"]) { (strips(scenario)) }
                h2 { "Block log of a real disk" }
                (totals(&report["log"]["counts"]))
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
        p { "seed " (text(&report["seed"])) ", " (text(&report["minutes"])) " minutes" }
    }
}

fn totals(counts: &Value) -> Markup {
    html! {
        table {
            @for (name, count) in counts.as_object().into_iter().flatten() {
                tr { td { (name.replace('_', " ")) } td.n { (text(count)) } }
            }
        }
    }
}

fn scenarios(crash: &Value) -> Markup {
    let words = ["states", "images", "nodes", "most_cuts"];
    html! {
        table {
            tr { th { "scenario" } @for word in words { th { (word.replace('_', " ")) } } th { "closed" } }
            @for scenario in list(&crash["scenarios"]) {
                tr {
                    td { (text(&scenario["name"])) }
                    @for word in words { td.n { (text(&scenario["counts"][word])) } }
                    td {
                        @if scenario["closed"] == true { "yes" } @else { (text(&scenario["waiting"])) " nodes wait" }
                        @if let Some(what) = scenario["failure"]["what"].as_str() {
                            p.broken { (text(&scenario["failure"]["invariant"])) ": " (what) }
                            code { "everboot-crash replay '" (text(&scenario["failure"]["replay"])) "'" }
                        }
                    }
                }
            }
        }
    }
}

/// Crash states over time.
fn progress(crash: &Value) -> Markup {
    let points: Vec<(f64, f64)> =
        list(&crash["points"]).map(|point| (number(&point["seconds"]), number(&point["states"]))).collect();
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(1.0, f64::max);
    let (time, states) = (most(|point| point.0), most(|point| point.1));
    let (width, height) = (900.0, 160.0);
    let place = |(at, count): &(f64, f64)| {
        format!("{:.1},{:.1}", at / time * width, height - count / states * height)
    };
    let line: Vec<String> = points.iter().map(place).collect();
    html! {
        p { (format!("Crash states over time: {states:.0} after {time:.0} s")) }
        svg width=(width) height=(height) {
            polyline points=(line.join(" ")) fill="none" stroke=(COLOURS[1]) stroke-width="2" {}
        }
    }
}

fn legend(crash: &Value) -> Markup {
    html! {
        p {
            "Each column is a moment at which power fails; its height is the number of disks that this may leave, \
             its colours where they boot: "
            @for (outcome, colour) in list(&crash["outcomes"]).zip(COLOURS) {
                span style=(format!("color:{colour}")) { "■ " (text(outcome)) "  " }
            }
            "Below: what happens then. "
            @for (_, what, colour) in CHANGES { span style=(format!("color:{colour}")) { "■ " (what) "  " } }
        }
    }
}

fn strips(scenario: &Value) -> Markup {
    html! {
        h3 { (text(&scenario["name"])) }
        @for strip in list(&scenario["strips"]) {
            div { code { (text(&strip["act"])) } br; (picture(strip)) }
        }
    }
}

fn picture(strip: &Value) -> Markup {
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
    let marks = text.chars().enumerate().filter_map(|(at, letter)| {
        let (_, _, colour) = CHANGES.iter().find(|(known, ..)| *known == letter)?;
        Some(((at as f64 + 1.0) * wide, *colour))
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
    use serde_json::json;

    #[test]
    fn a_page_shows_what_is_broken_and_needs_no_other_file() {
        let strip =
            json!({ "act": "boot", "changes": "rs", "outcomes": [[1, 0, 0, 0], [3, 1, 0, 0], [0, 2, 0, 0]] });
        let failure = json!({ "invariant": "no_strand", "what": "a < b", "replay": "v1/due/1/boot" });
        let report = json!({
            "seed": 7, "minutes": 6, "wrong": ["1 of 2 scenarios"],
            "crash": {
                "counts": { "states": 12 }, "outcomes": ["a good slot", "a trial"],
                "points": [{ "seconds": 1.0, "states": 5 }, { "seconds": 2.0, "states": 12 }],
                "scenarios": [{ "name": "due", "closed": false, "waiting": 3, "counts": {}, "strips": [strip],
                                "failure": failure }],
            },
            "log": { "counts": { "images": 4000 } },
        });
        let page = page(&report);
        for part in
            ["1 of 2 scenarios", "no_strand", "a &lt; b", "replay 'v1/due/1/boot'", "4000", "3 nodes wait"]
        {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert_eq!(page.matches("<rect").count(), 4 + 2, "{page}");
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("<link"));
    }
}
