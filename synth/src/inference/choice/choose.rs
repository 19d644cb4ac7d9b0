//! Which functions of a call tree become spans, and what the rest of their time is called.

use std::ops::Range;

use super::{
    findings::{Finding, Origin},
    tree::{Kid, Node, kids},
};
use crate::{
    event::Frame,
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

/// Where in the tree something is chosen.
#[derive(Clone, Copy, Debug)]
pub(in crate::inference) struct Place {
    /// Which functions may become a span here besides the application's own.
    others: Others,
    /// Of a chain of single callers: the handler's is named after the innermost of the application's functions, or after
    /// what the handler itself asked a library for; and what a named function called after what it called.
    is_handlers: bool,
    /// Spans above.
    depth: u32,
    /// Whether all functions above hold the crossing at the left, and at the right.
    holds: (bool, bool),
}

/// Functions that are not the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// None.
    Left,
    /// Those that samples show, not waits alone: what a handler calls.
    Sampled,
    /// All: nothing of the application's is above, or some of it is beside.
    Taken,
}

impl Place {
    /// In a region or on a worker, with nothing of the application's above.
    pub const OUTERMOST: Self = Self {
        others: Others::Taken,
        is_handlers: false,
        depth: 1,
        holds: (false, false),
    };
    /// Below a span, where nothing but the application's own functions counts.
    pub const BELOW: Self = Self {
        others: Others::Left,
        ..Self::OUTERMOST
    };
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

    /// Which function of a chain gives the name.
    pub(super) fn named<'n>(&self, chain: &[&'n Node], place: Place) -> Option<&'n Node> {
        let has_name = |node: &&Node| {
            let traits = self.functions.traits(node.function);
            traits.is_some_and(|traits| traits.has_name)
        };
        let named = chain.iter().copied().filter(has_name);
        let mut own = named.clone().filter(|node| self.is_own(node));
        let outermost = own.next();
        let own = match own.next_back() {
            Some(innermost) if place.is_handlers => Some(innermost),
            _ => outermost,
        };
        let is_library =
            |node: &&Node| self.layer(node) == Layer::Library && self.is_asked_for(node);
        let libraries = named.filter(is_library);
        let library = || {
            let mut own = libraries
                .clone()
                .filter(|node| !self.functions.is_glue(node.function));
            own.next().or_else(|| libraries.clone().next())
        };
        match own {
            // Its name says no more than the request's.
            Some(handler) if self.is_handler(handler, place) => {
                let below = libraries.clone().filter(|node| node.depth > handler.depth);
                below
                    .clone()
                    .find(|node| self.is_called_by_name(node))
                    .or(Some(handler))
            }
            Some(own) => Some(own),
            None => match place.others {
                Others::Left => None,
                Others::Sampled => library().filter(|node| self.is_called_by_name(node)),
                Others::Taken => library(),
            },
        }
    }

    /// Whether a function is the application's, or a library that it imports: not what that imports in turn.
    fn is_own(&self, node: &Node) -> bool {
        let is_module = |frame: &Frame| self.functions.is_module(frame.function);
        self.layer(node) == Layer::User
            || self.functions.is_module(node.function) && !self.above(node).iter().any(is_module)
    }

    fn layer(&self, node: &Node) -> Layer {
        self.functions.layer(node.function, self.application)
    }

    fn above(&self, node: &Node) -> &[Frame] {
        let shown = self.shown(node).split_last();
        shown.map_or(&[], |(_, above)| above)
    }

    /// Whether samples show that a library's function was called which is there to be called.
    fn is_called_by_name(&self, node: &Node) -> bool {
        let is_librarys = !self.functions.is_runtimes(node.function);
        is_librarys
            && self.functions.is_public(node.function)
            && self.is_close(&self.of_pieces(String::new(), node.pieces.clone()))
    }

    /// Whether a function is the outermost of the application's in the request.
    fn is_handler(&self, node: &Node, place: Place) -> bool {
        let is_users = |frame: &Frame| self.is_named(*frame, Layer::User);
        place.is_handlers && !self.above(node).iter().any(is_users)
    }

    /// Whether a function is more than the runtime's part in what a native one does: Python asks for what it calls.
    fn is_asked_for(&self, node: &Node) -> bool {
        let is_pythons = |frame: &Frame| self.functions.is_python(frame.function);
        !self.functions.is_runtimes(node.function) || self.shown(node).iter().any(is_pythons)
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
