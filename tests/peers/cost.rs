//! What a run cost, medians of several, and ratios.

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Seconds from the start to the end of the last program.
    pub(super) wall: f64,
    /// Seconds on all processors, user and system.
    pub(super) cpu: f64,
    /// Peak of resident memory in MiB, summed over programs that run side by side.
    pub(super) memory: f64,
    /// MiB that the target's device was asked to write.
    pub(super) written: f64,
    /// MiB that were read from it.
    pub(super) read: f64,
}

impl Cost {
    /// The cost of this run with that of a program beside it, which was not waited for longer.
    pub(super) fn beside(self, other: Cost) -> Cost {
        Cost { cpu: self.cpu + other.cpu, memory: self.memory + other.memory, ..self }
    }
}

/// The middle one, or the mean of the two in the middle; zero of none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The medians, each for itself.
pub(super) fn medians(costs: &[Cost]) -> Cost {
    let of = |field: fn(&Cost) -> f64| median(costs.iter().map(field));
    Cost {
        wall: of(|cost| cost.wall),
        cpu: of(|cost| cost.cpu),
        memory: of(|cost| cost.memory),
        written: of(|cost| cost.written),
        read: of(|cost| cost.read),
    }
}

/// `ours` as a multiple of `theirs`; none of nothing.
pub(super) fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

#[cfg(test)]
mod tests {
    use super::{Cost, median, medians, ratio};

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(median([9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median([9.0, 1.0, 4.0, 2.0]), 3.0);
        assert_eq!(median([7.0]), 7.0);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn each_cost_has_a_median_of_its_own() {
        let cost = |wall, memory| Cost { wall, memory, ..Cost::default() };
        let middle = medians(&[cost(1.0, 30.0), cost(2.0, 10.0), cost(9.0, 20.0)]);
        assert_eq!((middle.wall, middle.memory), (2.0, 20.0));
    }

    #[test]
    fn a_service_adds_processors_and_memory_but_no_time() {
        let client = Cost { wall: 2.0, cpu: 0.5, memory: 4.0, written: 1.0, read: 0.0 };
        let both = client.beside(Cost { wall: 99.0, cpu: 1.0, memory: 50.0, written: 9.0, read: 9.0 });
        assert_eq!(both, Cost { wall: 2.0, cpu: 1.5, memory: 54.0, written: 1.0, read: 0.0 });
    }

    #[test]
    fn nothing_has_no_ratio() {
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
