//! The rows of the table: what was done, by whom, what it cost in each round.

use std::fmt;

use anyhow::Error;

use super::cost::{Cost, medians, ratio};
use super::ours;
use super::table::Table;
use super::tool::Tool;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Check a bundle and bring it onto the machine; everboot alone has this step.
    Stage,
    /// Onto a slot full of random bytes.
    Full,
    /// Onto a slot that holds the image already.
    Identical,
    /// After an install was killed half-way.
    Rest,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Stage => "stage",
            Act::Full => "full install",
            Act::Identical => "identical image",
            Act::Rest => "rest after a cut at 50 %",
        })
    }
}

/// One tool at one act.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) act: Act,
    pub(super) workload: &'static str,
    pub(super) tool: &'static str,
    /// One for each round.
    pub(super) costs: Vec<Cost>,
}

/// What was measured, and what is to be said about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
}

impl Rows {
    /// One more round of this.
    pub(super) fn add(&mut self, act: Act, workload: &'static str, tool: &dyn Tool, cost: Cost) {
        let tool = tool.name();
        let is_it = |row: &&mut Row| row.act == act && row.workload == workload && row.tool == tool;
        match self.rows.iter_mut().find(is_it) {
            Some(row) => row.costs.push(cost),
            None => self.rows.push(Row { act, workload, tool, costs: vec![cost] }),
        }
    }

    /// A tool that does not run here, and why.
    pub(super) fn leave_out(&mut self, tool: &str, error: &Error) {
        let why = format!("{error:#}");
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        self.note(format!("{tool} is left out: {why}"));
    }

    /// After this tool so many blocks differ from the image.
    pub(super) fn wrong(&mut self, tool: &dyn Tool, blocks: u64) {
        if blocks > 0 {
            self.note(format!("{}: the slot is not the image afterwards", tool.name()));
        }
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// These rows, then the others.
    pub(super) fn then(mut self, other: Rows) -> Rows {
        self.rows.extend(other.rows);
        other.notes.into_iter().for_each(|note| self.note(note));
        self
    }

    /// The table: medians, and everboot as a multiple of each.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "what",
            "who",
            "wall s",
            "CPU s",
            "memory MiB",
            "written MiB",
            "read MiB",
            "everboot ÷ it: wall",
            "CPU",
            "memory",
        ]);
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.act);
        for row in rows {
            let (cost, ours) = (medians(&row.costs), self.ours(row));
            let times = |field: fn(&Cost) -> f64| {
                let times = ours.and_then(|ours| ratio(field(&ours), field(&cost)));
                times.map_or_else(String::new, |times| format!("{times:.2}"))
            };
            table.row([
                format!("{}, {}", row.act, row.workload),
                row.tool.to_owned(),
                format!("{:.3}", cost.wall),
                format!("{:.2}", cost.cpu),
                format!("{:.1}", cost.memory),
                format!("{:.0}", cost.written),
                format!("{:.0}", cost.read),
                times(|cost| cost.wall),
                times(|cost| cost.cpu),
                times(|cost| cost.memory),
            ]);
        }
        table
    }

    /// How long everboot takes when there is less to do, beside its own full install.
    pub(super) fn beside_full(&self) -> Vec<String> {
        let is_less = |row: &&Row| row.tool == ours::NAME && matches!(row.act, Act::Identical | Act::Rest);
        let wall = |row: &Row| medians(&row.costs).wall;
        let full = |less: &Row| {
            let is_it =
                |row: &&Row| (row.act, row.workload, row.tool) == (Act::Full, less.workload, less.tool);
            self.rows.iter().find(is_it).and_then(|row| ratio(wall(less), wall(row)))
        };
        let note = |row: &Row| {
            full(row).map(|part| format!("{}: {} takes {part:.2} of a full install", row.tool, row.act))
        };
        self.rows.iter().filter(is_less).filter_map(note).collect()
    }

    /// What everboot's medians are where this row is a peer's.
    fn ours(&self, peer: &Row) -> Option<Cost> {
        let is_ours = |row: &&Row| {
            row.tool == ours::NAME
                && (row.act, row.workload) == (peer.act, peer.workload)
                && row.tool != peer.tool
        };
        self.rows.iter().find(is_ours).map(|row| medians(&row.costs))
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Row, Rows};
    use crate::cost::Cost;

    fn row(act: Act, tool: &'static str, walls: &[f64]) -> Row {
        let cost = |wall: &f64| Cost { wall: *wall, cpu: 1.0, ..Cost::default() };
        Row { act, workload: "root", tool, costs: walls.iter().map(cost).collect() }
    }

    #[test]
    fn a_peer_has_everboots_median_as_a_multiple_of_its_own() {
        let rows = vec![
            row(Act::Full, "everboot", &[9.0, 1.0, 2.0]),
            row(Act::Identical, "dd", &[3.0]),
            row(Act::Full, "dd", &[4.0]),
        ];
        let text = Rows { rows, notes: Vec::new() }.table().markdown();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(lines[0].contains("full install, root") && lines[0].contains("everboot"), "{text}");
        assert!(lines[0].contains("2.000") && lines[0].matches("1.00").count() == 1, "{text}");
        assert!(lines[1].contains("dd") && lines[1].contains("0.50") && lines[1].contains("1.00"), "{text}");
        assert!(lines[2].contains("identical image, root") && !lines[2].contains("0.67"), "{text}");
    }

    #[test]
    fn what_is_less_than_a_full_install_is_given_as_a_share_of_it() {
        let rows = vec![
            row(Act::Full, "everboot", &[4.0]),
            row(Act::Rest, "everboot", &[2.0]),
            row(Act::Full, "dd", &[1.0]),
        ];
        let lines = Rows { rows, notes: Vec::new() }.beside_full();
        assert_eq!(lines, ["everboot: rest after a cut at 50 % takes 0.50 of a full install"]);
    }

    #[test]
    fn who_is_left_out_is_named_once_and_in_one_line() {
        let mut rows = Rows::default();
        let error = anyhow::anyhow!("no device\nmapper");
        rows.leave_out("rauc", &error);
        rows.leave_out("rauc", &error);
        assert_eq!(rows.notes, ["rauc is left out: no device mapper"]);
    }
}
