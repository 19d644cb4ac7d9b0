//! Folding rules: from slots by name to the core's rule.

use std::time::Duration;

use hotspan_synth::region::{AttributeRule, FoldRule, Opening, Rate};
use toml::Spanned;

use super::{
    Source, attributes,
    error::CatalogueError,
    rule,
    schema::{self, Region, Role},
    slots::{Class, Slots},
};

/// Pause after which crossings are no longer joined, unless the region says otherwise.
const DEFAULT_IDLE: Duration = Duration::from_secs(2);

/// Checks how a region's crossings are joined; `None` if they are not.
pub(super) fn fold(
    source: &Source,
    region: &Region,
    slots: &Slots,
) -> Result<Option<FoldRule>, CatalogueError> {
    let Some(fold) = &region.fold else {
        return Ok(None);
    };
    if region.role != Role::Span {
        let reason = "fold: only spans can be joined (`role = \"span\"`)";
        return Err(CatalogueError::at(source, &region.name, reason));
    }
    let check = Check { source, slots };
    let sum = check.each(&fold.sum)?;
    Ok(Some(FoldRule {
        by: check.optional(fold.by.as_ref())?,
        idle_ns: match &fold.idle {
            Some(text) => rule::nanoseconds(source, "idle", text)?,
            None => DEFAULT_IDLE.as_nanos() as u64,
        },
        rate: (fold.rate.as_ref())
            .map(|rate| check.rate(rate, &sum))
            .transpose()?,
        opening: (fold.opening.as_ref())
            .map(|opening| check.opening(opening))
            .transpose()?,
        last: check.attributes(&fold.last)?,
        sum,
    }))
}

struct Check<'a> {
    source: &'a Source,
    slots: &'a Slots,
}

impl Check<'_> {
    fn integer(&self, name: &Spanned<String>) -> Result<u32, CatalogueError> {
        self.slots
            .of_class(name.get_ref(), Class::Integer)
            .map_err(|reason| CatalogueError::at(self.source, name, reason))
    }

    fn optional(&self, name: Option<&Spanned<String>>) -> Result<Option<u32>, CatalogueError> {
        name.map(|name| self.integer(name)).transpose()
    }

    fn each(&self, names: &[Spanned<String>]) -> Result<Vec<u32>, CatalogueError> {
        names.iter().map(|name| self.integer(name)).collect()
    }

    fn attributes(
        &self,
        written: &[schema::Attribute],
    ) -> Result<Vec<AttributeRule>, CatalogueError> {
        (written.iter())
            .map(|attribute| attributes::attribute(self.source, attribute, self.slots))
            .collect()
    }

    fn rate(&self, rate: &schema::Rate, sum: &[u32]) -> Result<Rate, CatalogueError> {
        let slot = self.integer(&rate.of)?;
        if !sum.contains(&slot) {
            let reason = format!("rate: `{}` is not among `sum`", rate.of.get_ref());
            return Err(CatalogueError::at(self.source, &rate.of, reason));
        }
        Ok(Rate {
            key: rate.key.get_ref().clone(),
            slot,
        })
    }

    fn opening(&self, opening: &schema::Opening) -> Result<Opening, CatalogueError> {
        rule::check_name(self.source, &opening.name)?;
        let attributes = self.attributes(&opening.attributes)?;
        let text =
            |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.get_ref().clone());
        Ok(Opening {
            name: opening.name.get_ref().clone(),
            until: opening.until.get_ref().clone(),
            length: self.integer(&opening.length)?,
            position: self.optional(opening.position.as_ref())?,
            each: self.optional(opening.each.as_ref())?,
            numbered: opening.numbered,
            attributes,
            until_count: text(&opening.until_count),
            first_result: text(&opening.first_result),
        })
    }
}
