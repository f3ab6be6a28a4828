//! The two pictures, as SVG: cost against size, and the time of a full install by everybody.

use maud::{Markup, html};

use super::cost::median;
use super::ours;
use super::row::Row;
use super::sizes::Point;

const WIDTH: f64 = 860.0;
const OURS: &str = "#3a8f4d";
const THEIRS: &str = "#3b6fb6";
const LINE: &str = "#ccc";
/// The most memory that an apply may take, in MiB.
const LIMIT: f64 = 24.0;

/// A scale: values from `low` to `high` lie between two places.
#[derive(Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part * (self.to - self.from)
    }

    /// Powers of ten, or ten steps at most of equal length.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
            return (first..=last).map(|power| 10_f64.powi(power)).collect();
        }
        let step = [1.0, 2.0, 5.0]
            .into_iter()
            .flat_map(|digit| (-3..6).map(move |power| digit * 10_f64.powi(power)))
            .filter(|step| (self.high - self.low) / step <= 8.0)
            .fold(f64::INFINITY, f64::min);
        (0..=8).map(|at| self.low + f64::from(at) * step).filter(|value| *value <= self.high).collect()
    }
}

fn svg(height: f64, content: &Markup) -> String {
    let page = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(height)
            viewBox=(format!("0 0 {WIDTH} {height}")) font-family="sans-serif" font-size="13" {
            rect width=(WIDTH) height=(height) fill="#fff" {}
            (content)
        }
    };
    page.into_string() + "\n"
}

fn place(value: f64) -> String {
    format!("{value:.1}")
}

/// Without the dust of binary fractions.
fn number(value: f64) -> String {
    ((value * 1000.0).round() / 1000.0).to_string()
}

/// Text at a place; `anchor` is start, middle or end.
fn label(x: f64, y: f64, anchor: &str, text: &str) -> Markup {
    html! { text x=(place(x)) y=(place(y)) text-anchor=(anchor) fill="#333" { (text) } }
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str, dashes: &str) -> Markup {
    html! {
        line x1=(place(from.0)) y1=(place(from.1)) x2=(place(to.0)) y2=(place(to.1)) stroke=(colour)
            stroke-dasharray=(dashes) {}
    }
}

/// Time and peak memory of `everboot prepare` against the size of the image.
pub(super) fn cost_against_size(points: &[Point]) -> String {
    let size = |point: &Point| point.mebibytes as f64;
    let (low, high) =
        (points.iter().map(size).fold(f64::INFINITY, f64::min), points.iter().map(size).fold(1.0, f64::max));
    let wall = |point: &Point| point.cost.wall;
    let slowest = points.iter().map(wall).fold(0.1, f64::max);
    let quickest = points.iter().map(wall).fold(slowest, f64::min);
    let time = Scale { low: quickest / 2.0, high: slowest * 2.0, from: 290.0, to: 50.0, logarithmic: true };
    let most = points.iter().map(|point| point.cost.memory).fold(LIMIT, f64::max);
    let memory = Scale { low: 0.0, high: most * 1.2, from: 290.0, to: 50.0, logarithmic: false };
    let across = |from: f64, to: f64| Scale { low, high, from, to, logarithmic: true };
    let (left, right) = (across(70.0, 400.0), across(500.0, 830.0));
    // What exact proportion to the largest would be.
    let last =
        points.iter().max_by_key(|point| point.mebibytes).map_or(1.0, |point| wall(point) / size(point));
    let linear: Vec<(f64, f64)> = points.iter().map(|point| (size(point), size(point) * last)).collect();
    let linear: Vec<_> = linear.into_iter().filter(|(_, seconds)| *seconds >= time.low).collect();
    svg(
        350.0,
        &html! {
            (panel(left, time, "everboot prepare: seconds", points))
            (curve(left, time, &linear, "#999", "4 4"))
            (curve(left, time, &points.iter().map(|point| (size(point), wall(point))).collect::<Vec<_>>(), OURS, ""))
            (label(400.0, 278.0, "end", "dashed: in proportion to the size"))
            (panel(right, memory, "everboot prepare: peak memory, MiB", points))
            (line((500.0, memory.at(LIMIT)), (830.0, memory.at(LIMIT)), "#b03030", "4 4"))
            (label(830.0, memory.at(LIMIT) - 5.0, "end", "limit"))
            (curve(right, memory, &points.iter().map(|point| (size(point), point.cost.memory)).collect::<Vec<_>>(), OURS, ""))
        },
    )
}

/// Axes with their numbers.
fn panel(x: Scale, y: Scale, title: &str, points: &[Point]) -> Markup {
    html! {
        (label(x.from, 28.0, "start", title))
        @for tick in y.ticks() {
            (line((x.from, y.at(tick)), (x.to, y.at(tick)), LINE, ""))
            (label(x.from - 8.0, y.at(tick) + 4.0, "end", &number(tick)))
        }
        (line((x.from, y.from), (x.to, y.from), "#333", ""))
        @for point in points {
            @let at = x.at(point.mebibytes as f64);
            (line((at, y.from), (at, y.from + 5.0), "#333", ""))
            (label(at, y.from + 20.0, "middle", &size_name(point.mebibytes)))
        }
        (label(f64::midpoint(x.from, x.to), y.from + 42.0, "middle", "size of the image"))
    }
}

fn size_name(mebibytes: u64) -> String {
    if mebibytes < 1024 { format!("{mebibytes} MiB") } else { format!("{} GiB", mebibytes / 1024) }
}

fn curve(x: Scale, y: Scale, points: &[(f64, f64)], colour: &str, dashes: &str) -> Markup {
    let places: Vec<(f64, f64)> = points.iter().map(|(size, value)| (x.at(*size), y.at(*value))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    html! {
        polyline points=(path.join(" ")) fill="none" stroke=(colour) stroke-width="2" stroke-dasharray=(dashes) {}
        @if dashes.is_empty() {
            @for (x, y) in places { circle cx=(place(x)) cy=(place(y)) r="4" fill=(colour) {} }
        }
    }
}

/// A bar for each tool: the median, and a line from the quickest round to the slowest.
pub(super) fn full_installs(title: &str, rows: &[&Row]) -> String {
    let walls = |row: &Row| -> Vec<f64> { row.costs.iter().map(|cost| cost.wall).collect() };
    let slowest = rows.iter().flat_map(|row| walls(row)).fold(0.1, f64::max);
    let x = Scale { low: 0.0, high: slowest * 1.1, from: 210.0, to: 800.0, logarithmic: false };
    let mut sorted = rows.to_vec();
    sorted.sort_by(|one, other| median(walls(one)).total_cmp(&median(walls(other))));
    let end = 60.0 + 30.0 * rows.len() as f64;
    svg(
        end + 50.0,
        &html! {
            (label(20.0, 28.0, "start", title))
            @for tick in x.ticks() {
                (line((x.at(tick), 45.0), (x.at(tick), end), LINE, ""))
                (label(x.at(tick), end + 18.0, "middle", &number(tick)))
            }
            (label(x.to, end + 38.0, "end", "seconds; the line goes from the quickest round to the slowest"))
            @for (at, row) in sorted.iter().enumerate() {
                @let (y, walls) = (60.0 + 30.0 * at as f64, walls(row));
                @let middle = median(walls.iter().copied());
                @let least = walls.iter().copied().fold(f64::INFINITY, f64::min);
                @let most = walls.iter().copied().fold(0.0, f64::max);
                (label(x.from - 8.0, y + 14.0, "end", row.tool))
                rect x=(place(x.from)) y=(place(y)) width=(place(x.at(middle) - x.from)) height="20"
                    fill=(if row.tool == ours::NAME { OURS } else { THEIRS }) {}
                (line((x.at(least), y + 10.0), (x.at(most), y + 10.0), "#222", ""))
                (label(x.at(most) + 6.0, y + 14.0, "start", &format!("{middle:.2}")))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{Scale, cost_against_size, full_installs, size_name};
    use crate::cost::Cost;
    use crate::row::{Act, Row};
    use crate::sizes::Point;

    #[test]
    fn a_scale_puts_its_ends_at_its_ends() {
        let plain = Scale { low: 0.0, high: 10.0, from: 100.0, to: 0.0, logarithmic: false };
        assert_eq!((plain.at(0.0), plain.at(5.0), plain.at(10.0)), (100.0, 50.0, 0.0));
        let by_tens = Scale { low: 1.0, high: 100.0, from: 0.0, to: 10.0, logarithmic: true };
        assert_eq!((by_tens.at(1.0), by_tens.at(10.0), by_tens.at(100.0)), (0.0, 5.0, 10.0));
        assert_eq!(by_tens.ticks(), [1.0, 10.0, 100.0]);
        assert_eq!(plain.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn sizes_have_the_names_that_people_use() {
        assert_eq!((size_name(256), size_name(16384)), ("256 MiB".to_owned(), "16 GiB".to_owned()));
    }

    #[test]
    fn every_point_and_every_tool_is_in_its_picture() {
        let point =
            |mebibytes, wall| Point { mebibytes, cost: Cost { wall, memory: 11.0, ..Cost::default() } };
        let picture = cost_against_size(&[point(64, 0.1), point(1024, 1.6), point(16384, 26.0)]);
        assert_eq!(picture.matches("<circle").count(), 6);
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        let row = |tool, wall| {
            let cost = Cost { wall, ..Cost::default() };
            Row { act: Act::Full, workload: "root", tool, costs: vec![cost] }
        };
        let (one, other) = (row("rauc", 1.9), row("everboot", 0.3));
        let picture = full_installs("full install", &[&one, &other]);
        let (first, second) = (picture.find("everboot").unwrap(), picture.find("rauc").unwrap());
        assert!(first < second, "the quickest stands first");
        assert!(picture.contains("1.90"), "{picture}");
    }
}
