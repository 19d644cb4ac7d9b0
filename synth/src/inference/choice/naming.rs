//! Which function gives a span its name.

use super::{
    choose::Chooser,
    place::{Others, Place},
    tree::Node,
};
use crate::{event::Frame, ids::FunctionId, inference::functions::Layer};

impl Chooser<'_> {
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
        let mut libraries =
            named.filter(|node| self.layer(node) == Layer::Library && self.is_asked_for(node));
        match own {
            // Its name says no more than the request's.
            Some(handler) if self.is_handler(handler, place) => libraries
                .find(|node| node.depth > handler.depth && self.is_called_by_name(node))
                .or(Some(handler)),
            Some(own) => Some(own),
            None => self.library(libraries, place.others),
        }
    }

    /// The outermost of these, if such count: what only stands between a language and a library gives way.
    fn library<'n>(
        &self,
        mut libraries: impl Iterator<Item = &'n Node> + Clone,
        others: Others,
    ) -> Option<&'n Node> {
        let is_more = |node: &&Node| !self.functions.is_glue(node.function);
        let outermost = libraries.clone().find(is_more).or_else(|| libraries.next());
        outermost.filter(|node| match others {
            Others::Left => false,
            Others::Sampled => self.is_called_by_name(node),
            Others::Taken => true,
        })
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
    pub(super) fn is_handler(&self, node: &Node, place: Place) -> bool {
        let is_users = |frame: &Frame| self.is_named(*frame, Layer::User);
        place.is_handlers
            && self.layer(node) == Layer::User
            && !self.above(node).iter().any(is_users)
    }

    /// Whether a function is more than the runtime's part in what a native one does: Python asks for what it calls.
    fn is_asked_for(&self, node: &Node) -> bool {
        let is_pythons = |frame: &Frame| self.functions.is_python(frame.function);
        !self.functions.is_runtimes(node.function) || self.shown(node).iter().any(is_pythons)
    }

    pub fn name(&self, function: FunctionId) -> String {
        let known = self.functions.get(function);
        known.map_or_else(String::new, |known| known.name.clone())
    }
}
