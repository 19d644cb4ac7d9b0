//! Which version of a library an object holds.

use regex::bytes::Regex;
use semver::Version;

use super::{Source, error::CatalogueError, reads::hexadecimal, schema};
use crate::object::{BuildId, Image, constant};

/// How a library's version is known. The first way that gives an answer counts.
#[derive(Debug, Default)]
pub(in crate::catalogue) struct VersionRule {
    build_ids: Vec<(String, Version)>,
    pub functions: Vec<String>,
    pub text_function: Option<String>,
    pattern: Option<Regex>,
}

impl VersionRule {
    pub(super) fn check(
        source: &Source,
        written: &schema::Version,
    ) -> Result<Self, CatalogueError> {
        let mut build_ids = Vec::new();
        for (id, text) in &written.build_ids {
            let fail = |reason: String| CatalogueError::at(source, text, reason);
            let version = parse(text.get_ref())
                .ok_or_else(|| fail(format!("`{}` is no version", text.get_ref())))?;
            build_ids.push((hexadecimal(id).map_err(fail)?, version));
        }
        if let [first] = &written.functions[..] {
            let reason = "functions: major and minor are needed, patch is optional";
            return Err(CatalogueError::at(source, first, reason));
        }
        let pattern = written
            .pattern
            .as_ref()
            .map(|pattern| {
                Regex::new(pattern.get_ref()).map_err(|error| {
                    CatalogueError::at(source, pattern, format!("pattern: {error}"))
                })
            })
            .transpose()?;
        Ok(Self {
            build_ids,
            functions: written
                .functions
                .iter()
                .map(|f| f.get_ref().clone())
                .collect(),
            text_function: written.text_function.as_ref().map(|f| f.get_ref().clone()),
            pattern,
        })
    }

    /// The version of the library in `image`; `address_of` finds the symbols that the rule names.
    pub(in crate::catalogue) fn find(
        &self,
        image: &Image,
        build_id: Option<&BuildId>,
        address_of: impl Fn(&str) -> Option<u64>,
    ) -> Option<Version> {
        let by_build_id = || {
            let id = build_id?;
            let known = self.build_ids.iter().find(|(hex, _)| id.starts_with(hex))?;
            Some(known.1.clone())
        };
        let by_functions = || {
            let numbers: Vec<u64> = self
                .functions
                .iter()
                .map(|name| constant::returned_number(image, address_of(name)?))
                .collect::<Option<_>>()?;
            from_numbers(&numbers)
        };
        let by_text = || {
            let address = address_of(self.text_function.as_deref()?)?;
            parse(&constant::returned_text(image, address)?)
        };
        by_build_id()
            .or_else(by_functions)
            .or_else(by_text)
            .or_else(|| self.by_pattern(image))
    }

    fn by_pattern(&self, image: &Image) -> Option<Version> {
        let pattern = self.pattern.as_ref()?;
        let data = image.section_bytes(".rodata")?;
        let captures = pattern.captures(&data)?;
        let numbers: Vec<u64> = captures
            .iter()
            .skip(1)
            .map(|group| std::str::from_utf8(group?.as_bytes()).ok()?.parse().ok())
            .collect::<Option<_>>()?;
        from_numbers(&numbers)
    }
}

fn from_numbers(numbers: &[u64]) -> Option<Version> {
    match *numbers {
        [major, minor] => Some(Version::new(major, minor, 0)),
        [major, minor, patch] => Some(Version::new(major, minor, patch)),
        _ => None,
    }
}

/// The numbers that a text begins with: `v9.15.6755`, `1.15.1-rc1`, `9.12`.
fn parse(text: &str) -> Option<Version> {
    let numbers: Vec<u64> = text
        .trim_start_matches('v')
        .split(|c: char| !c.is_ascii_digit())
        .take(3)
        .map_while(|number| number.parse().ok())
        .collect();
    from_numbers(&numbers)
}
