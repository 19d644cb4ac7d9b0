//! Which native functions a span is of: those that could have probes of their own.

use std::collections::BTreeMap;

use super::{
    choose::{Chooser, EXPLAINS_PERCENT},
    tree::Node,
};
use crate::ids::FunctionId;

impl Chooser<'_> {
    /// Native functions below one that nearly all samples of it have in common, each the next one's caller.
    /// Waits are not asked: their stacks are often cut short.
    pub(super) fn native(&self, node: &Node) -> Vec<FunctionId> {
        let pieces = self.pieces.get(node.pieces.clone()).unwrap_or_default();
        let sampled = pieces.iter().filter(|piece| piece.samples > 0);
        let stacks = sampled.map(|piece| {
            let own = piece.frames.get(node.depth..).unwrap_or_default();
            self.functions.probeable(own)
        });
        in_common(stacks.collect())
    }
}

/// What nearly all of these lists begin with.
fn in_common(mut lists: Vec<Vec<FunctionId>>) -> Vec<FunctionId> {
    let all = lists.len() as u64;
    let mut common = Vec::new();
    while let Some(next) = most_frequent(lists.iter().filter_map(|list| list.get(common.len()))) {
        let at = common.len();
        lists.retain(|list| list.get(at) == Some(&next));
        if (lists.len() as u64).saturating_mul(100) < all.saturating_mul(EXPLAINS_PERCENT) {
            break;
        }
        common.push(next);
    }
    common
}

/// Of those that are as frequent, the one with the lowest number.
fn most_frequent<'a>(functions: impl Iterator<Item = &'a FunctionId>) -> Option<FunctionId> {
    let mut counts: BTreeMap<FunctionId, usize> = BTreeMap::new();
    for function in functions {
        *counts.entry(*function).or_default() += 1;
    }
    let most = counts
        .iter()
        .max_by_key(|(id, count)| (**count, std::cmp::Reverse(**id)));
    most.map(|(id, _)| *id)
}
