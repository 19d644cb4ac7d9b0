//! Functions too brief for a span by themselves, where one is told anyway: beside a long one that took their caller's
//! name, so that nothing else would tell of their time.

use super::{
    choose::Chooser,
    findings::Finding,
    place::Place,
    tree::{Kid, Node},
};

impl Chooser<'_> {
    /// What the callers of `named`, which it explains, called before it and after it: each of the application's functions
    /// that stacks show from close by.
    pub(super) fn brief(&self, chain: &[&Node], named: &Node) -> Vec<Finding> {
        let callers = chain.iter().take_while(|caller| caller.depth < named.depth);
        let beside = |kid: &Kid, siblings: &[Kid]| match kid {
            Kid::Node(node)
                if node.pieces.start >= named.pieces.end
                    || node.pieces.end <= named.pieces.start =>
            {
                self.brief_one(node, siblings)
            }
            _ => None,
        };
        callers
            .flat_map(|caller| {
                caller
                    .kids
                    .iter()
                    .filter_map(|kid| beside(kid, &caller.kids))
            })
            .collect()
    }

    fn brief_one(&self, node: &Node, siblings: &[Kid]) -> Option<Finding> {
        if self.is_loop(node.function, siblings) {
            return None;
        }
        let named = self.named(&self.chain(node), Place::BELOW)?;
        let name = self.name(named.function);
        let mut span = self.finding(name, named);
        span.stack = self.shown(named).to_vec();
        let is_long = span.duration_ns() >= self.rules.min_wait_ns;
        (is_long && self.is_close(&span)).then_some(span)
    }

    /// Whether stacks show what a brief span says: two of them, or one that had others close by: far apart, one would give a
    /// name to time that nobody saw.
    pub(super) fn is_close(&self, span: &Finding) -> bool {
        let is_dense = span.error_ns <= 2 * self.rules.min_wait_ns;
        span.samples >= 2 || (span.samples == 1 && is_dense)
    }
}
