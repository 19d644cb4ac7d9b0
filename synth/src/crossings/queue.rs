//! Crossings in the order in which they are decided.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::crossings::item::{Item, Order};

/// How an undecided crossing comes to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It may still wait for the crossing around it.
    MayWait,
    /// It has waited long enough.
    Overdue,
    /// It has to make room.
    MakeRoom,
}

/// A priority queue that moves indices, not crossings. What it takes for one tick serves the next.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    slots: Vec<Option<(Item, Turn)>>,
    order: BinaryHeap<Reverse<(Order, usize)>>,
}

impl Queue {
    pub fn push(&mut self, items: impl IntoIterator<Item = Item>, turn: Turn) {
        for item in items {
            self.order.push(Reverse((item.order(), self.slots.len())));
            self.slots.push(Some((item, turn)));
        }
    }

    pub fn pop(&mut self) -> Option<(Item, Turn)> {
        let Some(Reverse((_, slot))) = self.order.pop() else {
            self.slots.clear();
            return None;
        };
        self.slots.get_mut(slot)?.take()
    }
}
