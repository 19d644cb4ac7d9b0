//! What a function is known by that no symbol names: the strings that it refers to, or its class.

use toml::Spanned;

use super::{
    Source,
    error::CatalogueError,
    schema::{self, Region},
};
use crate::object::rtti;

/// What a region's name may hold in place of its class.
pub(in crate::catalogue) const CLASS: &str = "{class}";

/// How a function is found without a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::catalogue) enum Anchor {
    /// The one function that refers to all of these strings.
    Strings {
        strings: Vec<String>,
        function: String,
    },
    /// The virtual functions of the classes below a base.
    Virtual {
        base: String,
        slot: u32,
        method: String,
        /// Templates that say nothing themselves: their first argument is the class.
        wrappers: Vec<String>,
    },
}

impl Anchor {
    /// Checks a region's anchor; `None` if symbols name its functions.
    pub(super) fn check(
        source: &Source,
        region: &Region,
        has_objects: bool,
    ) -> Result<Option<Self>, CatalogueError> {
        let fail = |reason: &str| Err(CatalogueError::at(source, &region.name, reason));
        let anchor = match (&region.anchor, &region.vtable) {
            (None, None) => {
                return if region.name.get_ref().contains(CLASS) {
                    fail("`{class}` is known for a `vtable` only")
                } else {
                    Ok(None)
                };
            }
            (Some(_), Some(_)) => return fail("one of `anchor` and `vtable` is enough"),
            (Some(anchor), None) => Self::strings(source, anchor)?,
            (None, Some(vtable)) => Self::Virtual {
                base: rtti::type_name(vtable.base.get_ref()),
                slot: vtable.slot,
                method: vtable.method.get_ref().clone(),
                wrappers: vtable.wrappers.clone(),
            },
        };
        if !has_objects {
            return fail("an anchor needs `objects`: looking for one takes long in large objects");
        }
        Ok(Some(anchor))
    }

    fn strings(source: &Source, anchor: &schema::Anchor) -> Result<Self, CatalogueError> {
        let is_long = |text: &Spanned<String>| text.get_ref().trim_start_matches('*').len() >= 4;
        if let Some(short) = anchor.strings.iter().find(|text| !is_long(text)) {
            let reason = "strings: four characters or more are needed";
            return Err(CatalogueError::at(source, short, reason));
        }
        if anchor.strings.is_empty() {
            let reason = "strings: at least one is needed";
            return Err(CatalogueError::at(source, &anchor.function, reason));
        }
        Ok(Self::Strings {
            strings: (anchor.strings.iter())
                .map(|text| text.get_ref().clone())
                .collect(),
            function: anchor.function.get_ref().clone(),
        })
    }

    /// What stands for the symbol.
    pub(in crate::catalogue) fn describe(&self) -> String {
        match self {
            Self::Strings { strings, .. } => format!("refers to {}", strings.join(", ")),
            Self::Virtual { base, slot, .. } => format!("slot {slot} below {base}"),
        }
    }

    /// The function, or the method without its class.
    pub(in crate::catalogue) fn function(&self) -> &str {
        match self {
            Self::Strings { function, .. } => function,
            Self::Virtual { method, .. } => method,
        }
    }
}

/// The name with a class put in, for checking.
pub(in crate::catalogue) fn with_class(name: &str) -> String {
    name.replace(CLASS, "class")
}
