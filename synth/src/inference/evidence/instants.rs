//! What was so at instants, in their order.

use std::collections::VecDeque;

use crate::time::KernelTime;

/// Values by instant, each instant once. They come in at the end and go at the front, but for a few.
#[derive(Debug)]
pub(super) struct Instants<T>(VecDeque<(KernelTime, T)>);

impl<T> Default for Instants<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Instants<T> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latest two, in their order.
    pub fn last_two(&self) -> Option<[&(KernelTime, T); 2]> {
        let mut latest = self.0.iter().rev();
        let last = latest.next()?;
        Some([latest.next()?, last])
    }

    /// Sets an instant's value; returns whether the instant is new.
    pub fn insert(&mut self, at: KernelTime, value: T) -> bool {
        let place = self.place(|other| other < at);
        match self.0.get_mut(place) {
            Some((same, known)) if *same == at => {
                *known = value;
                false
            }
            _ => {
                self.0.insert(place, (at, value));
                true
            }
        }
    }

    /// Returns whether it was there.
    pub fn remove(&mut self, at: KernelTime) -> bool {
        let place = self.place(|other| other < at);
        let is_there = self.0.get(place).is_some_and(|(same, _)| *same == at);
        is_there && self.0.remove(place).is_some()
    }

    pub fn contains(&self, at: KernelTime) -> bool {
        let place = self.place(|other| other < at);
        self.0.get(place).is_some_and(|(same, _)| *same == at)
    }

    pub fn pop_first(&mut self) {
        self.0.pop_front();
    }

    pub fn pop_last(&mut self) {
        self.0.pop_back();
    }

    /// Those before an instant, the latest first.
    pub fn before(&self, at: KernelTime) -> impl Iterator<Item = &(KernelTime, T)> + Clone {
        let end = self.place(|other| other < at);
        self.0.range(..end).rev()
    }

    /// The same with that of the instant itself.
    pub fn up_to(&self, at: KernelTime) -> impl Iterator<Item = &(KernelTime, T)> {
        let end = self.place(|other| other <= at);
        self.0.range(..end).rev()
    }

    /// Those from an instant on.
    pub fn from(&self, at: KernelTime) -> impl Iterator<Item = &(KernelTime, T)> {
        let start = self.place(|other| other < at);
        self.0.range(start..)
    }

    /// Those from an instant on, before another one that is no earlier.
    pub fn between(
        &self,
        first: KernelTime,
        last: KernelTime,
    ) -> impl Iterator<Item = &(KernelTime, T)> {
        self.from(first).take_while(move |(at, _)| *at < last)
    }

    /// How many come first of which this holds. Most that is asked for is at the end.
    fn place(&self, is_before: impl Fn(KernelTime) -> bool) -> usize {
        if self.0.back().is_none_or(|(last, _)| is_before(*last)) {
            return self.0.len();
        }
        self.0.partition_point(|(at, _)| is_before(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times<'a>(instants: impl Iterator<Item = &'a (KernelTime, char)>) -> Vec<(u64, char)> {
        instants.map(|(at, value)| (at.0, *value)).collect()
    }

    #[test]
    fn they_are_in_their_order_and_each_once() {
        let mut instants = Instants::default();
        let new = [(5, 'a'), (9, 'b'), (2, 'c'), (5, 'd')]
            .map(|(at, value)| instants.insert(KernelTime(at), value));
        assert_eq!(new, [true, true, true, false]);
        let at = KernelTime;
        assert_eq!(times(instants.from(at(0))), [(2, 'c'), (5, 'd'), (9, 'b')]);
        assert_eq!(times(instants.from(at(5))), [(5, 'd'), (9, 'b')]);
        assert_eq!(times(instants.before(at(5))), [(2, 'c')]);
        assert_eq!(times(instants.up_to(at(5))), [(5, 'd'), (2, 'c')]);
        assert_eq!(times(instants.between(at(2), at(9))), [(2, 'c'), (5, 'd')]);
        assert_eq!(times(instants.before(at(10)).take(1)), [(9, 'b')]);
        assert_eq!(instants.last_two(), Some([&(at(5), 'd'), &(at(9), 'b')]));
        assert!(instants.contains(at(5)) && !instants.contains(at(6)));
        assert_eq!([5, 6].map(|time| instants.remove(at(time))), [true, false]);
        assert_eq!(times(instants.from(at(0))), [(2, 'c'), (9, 'b')]);
    }
}
