//! Rows in the order of a tree, with the lines that show it.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use hotspan_synth::ids::SpanId;

use super::Row;

/// A row in its place.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) row: &'a Row,
    /// The lines of the tree before the name.
    pub(super) branch: String,
}

/// Depth first; siblings by start, the longer first. A cycle of parents is entered at its first row.
pub(super) fn place(rows: &[Row]) -> Vec<Placed<'_>> {
    let known: HashSet<SpanId> = rows.iter().map(|row| row.id).collect();
    let mut children: HashMap<Option<SpanId>, Vec<&Row>> = HashMap::new();
    for row in rows {
        let parent = known.contains(&row.parent).then_some(row.parent);
        children.entry(parent).or_default().push(row);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|row| (row.start, Reverse(row.end), row.id));
    }
    let mut walk = Walk {
        children,
        placed: Vec::with_capacity(rows.len()),
        seen: HashSet::new(),
    };
    for root in walk.children.remove(&None).unwrap_or_default() {
        walk.visit(root, String::new(), "");
    }
    for row in rows {
        // Only rows of a cycle are left.
        walk.visit(row, String::new(), "");
    }
    walk.placed
}

struct Walk<'a> {
    children: HashMap<Option<SpanId>, Vec<&'a Row>>,
    placed: Vec<Placed<'a>>,
    seen: HashSet<SpanId>,
}

impl<'a> Walk<'a> {
    /// With a stack of its own: a chain of parents can be longer than a thread's stack allows.
    fn visit(&mut self, row: &'a Row, branch: String, below: &str) {
        let mut stack = vec![(row, branch, below.to_owned())];
        while let Some((row, branch, below)) = stack.pop() {
            if !self.seen.insert(row.id) {
                continue;
            }
            self.placed.push(Placed { row, branch });
            let children = self.children.remove(&Some(row.id)).unwrap_or_default();
            let last = children.len().saturating_sub(1);
            for (index, child) in children.into_iter().enumerate().rev() {
                let (tee, line) = if index == last {
                    ("└ ", "  ")
                } else {
                    ("├ ", "│ ")
                };
                stack.push((child, format!("{below}{tee}"), format!("{below}{line}")));
            }
        }
    }
}
