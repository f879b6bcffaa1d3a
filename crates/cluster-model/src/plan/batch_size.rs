//! How many slots of a pair to open at a time.

use std::time::Duration;

/// Steers how many slots are moved together, by how long the last ones took.
///
/// A batch is to take [`BatchSize::TIME`], since whoever interrupts the work may have to wait for its end. Part of what it takes does
/// not depend on how many slots it has: round trips to servers far away, answers of busy ones. That part is known from two batches of
/// different sizes. Where it is long, smaller batches would take as long and move less; so slots may take as long as it does.
///
/// ```
/// use redistrib_cluster_model::plan::batch_size::BatchSize;
/// use std::time::Duration;
///
/// let mut size = BatchSize::default();
/// assert_eq!(size.slots(), BatchSize::FIRST);
/// size.observe(Duration::from_secs(2));
/// assert_eq!(size.slots(), BatchSize::FIRST / 2);
/// // Half as many have taken as long: it is not the slots that take it.
/// size.observe(Duration::from_secs(2));
/// assert_eq!(size.slots(), BatchSize::FIRST * 2);
/// ```
#[derive(Clone, Debug)]
pub struct BatchSize {
    slots: usize,
    /// How many slots the batch before had, and the seconds that it took.
    before: Option<(usize, f64)>,
    /// The seconds of each batch that do not depend on its slots.
    fixed: f64,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self { slots: Self::FIRST, before: None, fixed: 0.0 }
    }
}

impl BatchSize {
    /// The first batch is small, so that the first slots are soon through.
    pub const FIRST: usize = 64;
    /// The most slots that are open at a time.
    pub const MOST: usize = 1024;
    /// How long a batch is to take.
    pub const TIME: Duration = Duration::from_secs(1);
    /// How long the slots of a batch may take, whatever else takes long.
    const LONGEST: Duration = Duration::from_secs(5);

    /// How many slots the next batch gets.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Learns from a batch of [`BatchSize::slots`] that took so long. The next is no more than four times as large.
    pub fn observe(&mut self, took: Duration) {
        let (slots, took) = (self.slots as f64, took.as_secs_f64().max(1e-6));
        self.fixed = match self.before {
            Some((before, its_time)) if before != self.slots => {
                let each = ((took - its_time) / (slots - before as f64)).max(0.0);
                (took - each * slots).clamp(0.0, took.min(its_time))
            }
            _ => self.fixed.min(took),
        };
        self.before = Some((self.slots, took));
        let allowed = (Self::TIME.as_secs_f64() - self.fixed)
            .max(self.fixed.min(Self::LONGEST.as_secs_f64()));
        let each = ((took - self.fixed) / slots).max(1e-9);
        self.slots = ((allowed / each) as usize).clamp(1, self.slots * 4).min(Self::MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of so many batches, each of which takes `fixed` seconds and `each` for a slot.
    fn sizes(count: usize, fixed: f64, each: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut size = BatchSize::default();
        let next = |place| {
            let slots = size.slots();
            size.observe(Duration::from_secs_f64(fixed + each(place) * slots as f64));
            slots
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_not() {
        assert_eq!(sizes(5, 0.0, |_| 1e-6), [64, 256, 1024, 1024, 1024]);
        assert_eq!(sizes(3, 0.0, |_| 10.0), [64, 1, 1]);
        // From where the slots have many keys on.
        let heavy = |place| if place < 2 { 1e-6 } else { 0.1 };
        assert_eq!(sizes(6, 0.001, heavy)[2..5], [1024, 9, 9]);
        let slots = sizes(9, 0.02, |_| 0.01);
        assert!(slots[2..].iter().all(|slots| (95..=100).contains(slots)), "{slots:?}");
    }

    /// Servers far away, or very busy: a batch takes long however small it is.
    #[test]
    fn batches_do_not_shrink_where_that_makes_them_no_quicker() {
        for fixed in [0.9, 2.0, 30.0] {
            let slots = sizes(12, fixed, |_| 1e-4);
            assert_eq!(slots[11], BatchSize::MOST, "{fixed}: {slots:?}");
            // What slots themselves take is bounded all the same.
            let slots = sizes(40, fixed, |_| 1.0);
            assert!(slots[39] <= 5, "{fixed}: {slots:?}");
        }
    }

    /// Times that jump about leave no size for good.
    #[test]
    fn a_pause_of_the_machine_is_made_up_for() {
        let slots = sizes(20, 0.0, |place| if place == 3 { 1.0 } else { 1e-5 });
        assert!(slots[4] <= 5 && slots[19] == BatchSize::MOST, "{slots:?}");
    }
}
