//! What is remembered of the latest only.

use std::{collections::VecDeque, hash::Hash};

use rustc_hash::FxHashMap;

/// Values by key, bounded in number: of too many, those whose keys came up first go. At least one stays, whatever the limit.
#[derive(Debug)]
pub(crate) struct Latest<K, V> {
    by_key: FxHashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self {
            by_key: FxHashMap::default(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V> Latest<K, V> {
    pub fn get(&self, key: K) -> Option<&V> {
        self.by_key.get(&key)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.by_key.get_mut(&key)
    }

    /// Sets a key's value; returns whether another key had to go for it.
    pub fn insert(&mut self, key: K, value: V, limit: usize) -> bool {
        let is_new = self.by_key.insert(key, value).is_none();
        is_new && self.came_up(key, limit)
    }

    /// A key's value, which is the default if it is new.
    pub fn entry(&mut self, key: K, limit: usize) -> &mut V
    where
        V: Default,
    {
        if !self.by_key.contains_key(&key) {
            self.came_up(key, limit);
        }
        self.by_key.entry(key).or_default()
    }

    pub fn remove(&mut self, key: K) {
        if self.by_key.remove(&key).is_some() {
            self.order.retain(|other| *other != key);
        }
    }

    fn came_up(&mut self, key: K, limit: usize) -> bool {
        let mut has_gone = false;
        while self.order.len() >= limit.max(1)
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
            has_gone = true;
        }
        self.order.push_back(key);
        has_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_first_go() {
        let mut latest = Latest::default();
        let gone = [1, 2, 1, 3].map(|key| latest.insert(key, 10 * key, 2));
        assert_eq!(gone, [false, false, false, true]);
        assert_eq!((latest.by_key.len(), latest.order.len()), (2, 2));
        assert_eq!(
            [1, 2, 3].map(|key| latest.get(key).copied()),
            [None, Some(20), Some(30)]
        );
    }

    #[test]
    fn what_is_taken_away_makes_room() {
        let mut latest: Latest<u32, u32> = Latest::default();
        *latest.entry(1, 2) += 1;
        *latest.entry(2, 2) += 2;
        latest.remove(1);
        *latest.entry(3, 2) += 3;
        *latest.entry(2, 2) += 2;
        assert_eq!(
            [1, 2, 3].map(|key| latest.get(key).copied()),
            [None, Some(4), Some(3)]
        );
    }

    #[test]
    fn one_stays_whatever_the_limit() {
        let mut latest = Latest::default();
        assert!(!latest.insert(1, 'a', 0));
        assert!(latest.insert(2, 'b', 0));
        assert_eq!((latest.get(1), latest.get(2)), (None, Some(&'b')));
    }
}
