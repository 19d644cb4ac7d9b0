//! Attributes and failures: from slots by name to the core's rules.

use std::collections::BTreeMap;

use hotspan_synth::region::{AttributeRule, Condition, FailureRule, ValueRule};
use toml::Spanned;

use super::{
    Source,
    error::CatalogueError,
    schema::{self, Attribute, Failure, Value},
    slots::{Class, Slots},
};

/// Checks an attribute against the slots that reads fill.
pub(super) fn attribute(
    source: &Source,
    attribute: &Attribute,
    slots: &Slots,
) -> Result<AttributeRule, CatalogueError> {
    let at_key = |reason: String| CatalogueError::at(source, &attribute.key, reason);
    if attribute.key.get_ref().is_empty() {
        return Err(at_key("an attribute needs a key".to_owned()));
    }
    Ok(AttributeRule {
        key: attribute.key.get_ref().clone(),
        value: value(&attribute.value, slots).map_err(at_key)?,
    })
}

/// Checks which results are failures.
pub(super) fn failure(
    source: &Source,
    failure: &Failure,
    slots: &Slots,
) -> Result<FailureRule, CatalogueError> {
    let at_slot = |reason: String| CatalogueError::at(source, &failure.of, reason);
    Ok(FailureRule {
        slot: slots
            .of_class(failure.of.get_ref(), Class::Integer)
            .map_err(at_slot)?,
        errors: by_number(&failure.errors).map_err(at_slot)?,
    })
}

/// Checks which crossings of a region count.
pub(super) fn only_if(
    source: &Source,
    written: &schema::Condition,
    slots: &Slots,
) -> Result<Condition, CatalogueError> {
    condition(written, slots).map_err(|reason| CatalogueError::at(source, &written.of, reason))
}

fn condition(written: &schema::Condition, slots: &Slots) -> Result<Condition, String> {
    let (values, among) = match (&written.is, &written.is_not) {
        (Some(values), None) => (values.clone(), true),
        (None, Some(values)) => (values.clone(), false),
        _ => return Err("one of `is` and `is_not` is needed".to_owned()),
    };
    Ok(Condition {
        slot: slots.of_class(written.of.get_ref(), Class::Integer)?,
        mask: written.mask.map_or(u64::MAX, u64::from),
        values,
        among,
    })
}

fn value(value: &Value, slots: &Slots) -> Result<ValueRule, String> {
    let integer = |name: &Spanned<String>| slots.of_class(name.get_ref(), Class::Integer);
    let double = |name: &Spanned<String>| slots.of_class(name.get_ref(), Class::Float64);
    Ok(match value {
        Value::Int(of) => ValueRule::Int { slot: integer(of)? },
        Value::Bool(of) => ValueRule::Bool { slot: integer(of)? },
        Value::Float(of) => float(of.get_ref(), slots)?,
        Value::Text(of) => ValueRule::Text {
            slot: slots.of_class(of.get_ref(), Class::Text)?,
        },
        Value::Enum(rule) => ValueRule::Enum {
            slot: integer(&rule.of)?,
            names: by_number(&rule.names)?,
        },
        Value::OneOf(rule) => ValueRule::OneOf {
            slot: integer(&rule.of)?,
            values: rule.values.clone(),
        },
        Value::Reached(rule) => ValueRule::Reached {
            slot: double(&rule.of)?,
            limit: double(&rule.limit)?,
            unless: integer(&rule.unless)?,
            except: rule.except.clone(),
        },
        Value::Quotient(rule) => ValueRule::Quotient {
            slot: integer(&rule.of)?,
            divisor: match *rule.divisor.get_ref() {
                0 => return Err("the divisor is 0".to_owned()),
                divisor => divisor,
            },
        },
        Value::Total(of) => ValueRule::Total {
            slots: of.iter().map(integer).collect::<Result<_, _>>()?,
        },
        Value::Product(of) => ValueRule::Product {
            slots: of.iter().map(integer).collect::<Result<_, _>>()?,
        },
        Value::Scaled(rule) => ValueRule::Scaled {
            slot: integer(&rule.of)?,
            offset: double(&rule.offset)?,
            factor: double(&rule.factor)?,
        },
        Value::Constant(text) => ValueRule::Constant { text: text.clone() },
        Value::Given(rule) => ValueRule::Given {
            when: condition(&rule.condition, slots)?,
            value: Box::new(self::value(&rule.value, slots)?),
        },
    })
}

fn float(name: &str, slots: &Slots) -> Result<ValueRule, String> {
    match slots.get(name)? {
        (slot, Class::Float64) => Ok(ValueRule::Float { slot }),
        (slot, Class::Float32) => Ok(ValueRule::Float32 { slot }),
        (_, class) => Err(format!(
            "slot `{name}` holds {}, an f64 or f32 is needed",
            class.describe()
        )),
    }
}

/// From names with numbers to numbers with names; two names of one number are a mistake.
fn by_number(names: &BTreeMap<String, i64>) -> Result<BTreeMap<i64, String>, String> {
    let mut numbers = BTreeMap::new();
    for (name, &number) in names {
        if let Some(other) = numbers.insert(number, name.clone()) {
            return Err(format!("`{other}` and `{name}` both stand for {number}"));
        }
    }
    if numbers.is_empty() {
        return Err("the table of names is empty".to_owned());
    }
    Ok(numbers)
}
