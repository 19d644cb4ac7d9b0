//! Which functions of a call tree become spans, and what the rest of their time is called.

use std::ops::Range;

use super::{
    findings::{Finding, Origin},
    place::{Others, Place},
    tree::{Kid, Node, kids},
};
use crate::{
    inference::{
        functions::{Functions, Layer},
        timeline::{Edge, Piece},
    },
    settings::Inference,
};

/// A child that takes this part of its caller's time, in percent, explains it: they are one span.
pub(in crate::inference) const EXPLAINS_PERCENT: u64 = 90;

/// Chooses in one segment of a thread's time.
#[derive(Clone, Copy, Debug)]
pub(in crate::inference) struct Chooser<'a> {
    pub pieces: &'a [Piece],
    pub functions: &'a Functions,
    pub application: Option<&'a str>,
    pub rules: &'a Inference,
    pub left: &'a Edge,
    pub right: &'a Edge,
}

impl Chooser<'_> {
    /// The spans of a segment in which nothing is around them but the target's span.
    pub fn top(&self) -> Vec<Finding> {
        let holds = |edge: &Edge| !edge.callers.is_empty();
        let place = Place {
            others: Others::Taken,
            is_handlers: true,
            depth: 1,
            holds: (holds(self.left), holds(self.right)),
        };
        let all = 0..self.pieces.len();
        self.inside(&kids(self.pieces, all, 0), place)
    }

    /// The spans inside of a region, whose own functions are the first `depth` frames, with the
    /// rest of its time if there are any.
    pub fn within(&self, region: &str, depth: usize) -> Vec<Finding> {
        let all = 0..self.pieces.len();
        let tree = kids(self.pieces, all.clone(), depth);
        let mut below = tree.as_slice();
        // What explains all of the region is the region by other names.
        while let Some(only) = self.explaining_in(below, all.clone()) {
            below = &only.kids;
        }
        let mut found = self.inside(below, Place::OUTERMOST);
        if !found.is_empty() {
            let rest = self.rest(region, None, all, &found);
            found.extend(rest);
            found.sort_by_key(|finding| finding.start);
        }
        found
    }

    /// A function that is not the application's and explains all of this.
    pub(super) fn explaining_in<'n>(
        &self,
        kids: &'n [Kid],
        whole: Range<usize>,
    ) -> Option<&'n Node> {
        kids.iter().find_map(|kid| match kid {
            Kid::Node(node)
                if self.explains(node.pieces.clone(), whole.clone())
                    && self.functions.layer(node.function, self.application) != Layer::User =>
            {
                Some(node)
            }
            _ => None,
        })
    }

    pub(in crate::inference) fn inside(&self, kids: &[Kid], place: Place) -> Vec<Finding> {
        let own = Place {
            others: Others::Left,
            ..place
        };
        let mut found: Vec<Vec<Finding>> =
            kids.iter().map(|kid| self.kid(kid, kids, own)).collect();
        let is_span = |finding: &Finding| finding.origin != Origin::Wait;
        let others = if found.iter().flatten().any(is_span) {
            Others::Taken
        } else {
            place.others
        };
        if others != Others::Left {
            let all = Place { others, ..place };
            for (kid, found) in kids.iter().zip(&mut found) {
                if !found.iter().any(is_span) {
                    *found = self.kid(kid, kids, all);
                }
            }
        }
        found.into_iter().flatten().collect()
    }

    fn kid(&self, kid: &Kid, siblings: &[Kid], place: Place) -> Vec<Finding> {
        match kid {
            Kid::Own => Vec::new(),
            Kid::Wait(piece) => self.wait(*piece).into_iter().collect(),
            Kid::Node(node) if self.is_loop(node.function, siblings) => {
                self.waits(node.pieces.clone())
            }
            Kid::Node(node) => self.node(node, place),
        }
    }

    fn node(&self, node: &Node, place: Place) -> Vec<Finding> {
        let holds = self.holds(node, place);
        if holds.0 || holds.1 {
            let below = Place {
                others: Others::Left,
                is_handlers: false,
                holds,
                ..place
            };
            return self.inside(&node.kids, below);
        }
        if !self.is_enough(node.pieces.clone()) {
            return self.waits(node.pieces.clone());
        }
        let chain = self.chain(node);
        let last = *chain.last().unwrap_or(&node);
        let Some(named) = self.named(&chain, place) else {
            return self.inside(&last.kids, place);
        };
        let mut found = self.span(named, last, place);
        found.extend(self.brief(&chain, named));
        found.sort_by_key(|finding| finding.start);
        found
    }

    /// Whether a function holds the crossing at the left, and at the right: it is not over there.
    fn holds(&self, node: &Node, place: Place) -> (bool, bool) {
        let calls = |edge: &Edge| {
            let caller = edge.callers.get(node.depth);
            caller.is_some_and(|caller| caller.function == node.function)
        };
        (
            place.holds.0 && calls(self.left),
            place.holds.1 && calls(self.right),
        )
    }

    /// A function and those below it, as long as one explains the other.
    pub(super) fn chain<'n>(&self, node: &'n Node) -> Vec<&'n Node> {
        let mut chain = vec![node];
        let mut at = node;
        while let Some(next) = self.explaining(at) {
            chain.push(next);
            at = next;
        }
        chain
    }

    fn explaining<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        let is_wait = |kid: &Kid| matches!(kid, Kid::Wait(_));
        if node.kids.iter().any(is_wait) {
            return None;
        }
        node.kids.iter().find_map(|kid| match kid {
            Kid::Node(next)
                if self.explains(next.pieces.clone(), node.pieces.clone())
                    && !self.is_loop(next.function, &node.kids) =>
            {
                Some(next)
            }
            _ => None,
        })
    }

    fn explains(&self, part: Range<usize>, whole: Range<usize>) -> bool {
        let (part, whole) = (self.worked_ns(part), self.worked_ns(whole));
        part.saturating_mul(100) >= whole.saturating_mul(EXPLAINS_PERCENT)
    }

    fn worked_ns(&self, pieces: Range<usize>) -> u64 {
        let pieces = self.pieces.get(pieces).unwrap_or_default();
        pieces
            .iter()
            .map(Piece::duration_ns)
            .fold(0, u64::saturating_add)
    }

    fn span(&self, named: &Node, last: &Node, place: Place) -> Vec<Finding> {
        let name = self.name(named.function);
        let others = if self.is_handler(named, place) {
            Others::Sampled
        } else {
            Others::Left
        };
        let below = Place {
            others,
            is_handlers: false,
            depth: place.depth + 1,
            holds: (false, false),
        };
        let mut children = if place.depth < self.rules.depth {
            self.inside(&last.kids, below)
        } else {
            Vec::new()
        };
        let mut span = self.finding(name.clone(), named);
        if let [only] = children.as_mut_slice()
            && only.duration_ns().saturating_mul(100)
                >= span.duration_ns().saturating_mul(EXPLAINS_PERCENT)
        {
            if only.origin == Origin::Wait || place.is_handlers {
                return children;
            }
            span.native = std::mem::take(&mut only.native);
            children = std::mem::take(&mut only.children);
        }
        if !children.is_empty() {
            let line = span.frame;
            let rest = self.rest(&name, line, named.pieces.clone(), &children);
            children.extend(rest);
            children.sort_by_key(|child| child.start);
        }
        span.stack = self.shown(last).to_vec();
        span.stack.extend(self.in_kernel(last));
        let native = self.native(named);
        if !native.is_empty() {
            span.native = native;
        }
        span.children = children;
        vec![span]
    }
}
