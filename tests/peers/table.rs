//! A table that reads well as text and as Markdown.

pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    pub(super) fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
    }

    /// One more row, of as many cells as there are columns.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Numbers stand on the right of their column.
    pub(super) fn markdown(&self) -> String {
        let columns = 0..self.head.len();
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| all().map(|row| cell(row, column).chars().count()).max().unwrap_or(0).max(3);
        let is_number = |column| {
            self.rows
                .iter()
                .all(|row| cell(row, column).parse::<f64>().is_ok() || cell(row, column).is_empty())
        };
        let line = |row: &Vec<String>| {
            let cells = columns.clone().map(|column| {
                let (text, width) = (cell(row, column), width(column));
                if is_number(column) { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = columns.clone().map(|column| {
            let end = if is_number(column) { ":" } else { "-" };
            format!("{}{end}", "-".repeat(width(column) - 1))
        });
        let rule = format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
        let rows: String = self.rows.iter().map(line).collect();
        line(&self.head) + &rule + &rows
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_stand_on_the_right_and_words_on_the_left() {
        let mut table = Table::new(&["who", "s"]);
        table.row(["dd".to_owned(), "0.120".to_owned()]);
        table.row(["everboot".to_owned(), String::new()]);
        assert_eq!(
            table.markdown(),
            "\
| who      |     s |
| -------- | ----: |
| dd       | 0.120 |
| everboot |       |
"
        );
    }
}
