//! Slots by name: in files they have names, on the wire numbers.

use std::collections::HashMap;

use hotspan_common::MAX_VALUES;

use super::schema::Kind;

/// What kind of value a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Float32,
    Float64,
    Text,
}

impl Class {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::U8 | Kind::Bool | Kind::I32 | Kind::U32 | Kind::I64 | Kind::U64 => Self::Integer,
            Kind::F32 => Self::Float32,
            Kind::F64 => Self::Float64,
            Kind::Cstr | Kind::StdString => Self::Text,
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Float32 => "an f32",
            Self::Float64 => "an f64",
            Self::Text => "a text",
        }
    }
}

/// The slots of one group, or of one region without a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    by_name: HashMap<String, (u32, Class)>,
}

impl Slots {
    /// Gives the slot a number, or confirms the one that it has.
    pub(super) fn declare(&mut self, name: &str, class: Class) -> Result<u32, String> {
        if let Some(&(number, known)) = self.by_name.get(name) {
            return if known == class {
                Ok(number)
            } else {
                Err(format!(
                    "slot `{name}` is {} here and {} in another read",
                    class.describe(),
                    known.describe()
                ))
            };
        }
        if class == Class::Text
            && let Some((other, _)) = self.by_name.iter().find(|(_, slot)| slot.1 == Class::Text)
        {
            return Err(format!(
                "slot `{name}` is a second text beside `{other}`; a crossing carries one"
            ));
        }
        let number = self.by_name.len();
        if number == MAX_VALUES {
            return Err(format!(
                "slot `{name}` is one more than the {MAX_VALUES} of a group"
            ));
        }
        self.by_name.insert(name.to_owned(), (number as u32, class));
        Ok(number as u32)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Number and class of a slot that some read fills.
    pub(super) fn get(&self, name: &str) -> Result<(u32, Class), String> {
        self.by_name
            .get(name)
            .copied()
            .ok_or_else(|| format!("no read fills slot `{name}`"))
    }

    /// The number of a slot of this class.
    pub(super) fn of_class(&self, name: &str, wanted: Class) -> Result<u32, String> {
        let (number, class) = self.get(name)?;
        if class == wanted {
            Ok(number)
        } else {
            Err(format!(
                "slot `{name}` holds {}, {} is needed",
                class.describe(),
                wanted.describe()
            ))
        }
    }
}
