//! Decoded slots to attribute values.

use crate::{
    region::{Condition, FailureRule, ValueRule},
    span::Value,
};

/// The slots that were read in one crossing. A slot that was not read has no value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots<'a> {
    pub values: &'a [(u32, u64)],
    pub text: Option<&'a (u32, String)>,
}

impl Slots<'_> {
    pub fn bits(self, slot: u32) -> Option<u64> {
        self.values
            .iter()
            .find(|(at, _)| *at == slot)
            .map(|(_, bits)| *bits)
    }

    pub fn int(self, slot: u32) -> Option<i64> {
        self.bits(slot).map(|bits| bits as i64)
    }

    fn float(self, slot: u32) -> Option<f64> {
        self.bits(slot).map(f64::from_bits)
    }

    /// The value that a rule makes; `None` leaves the attribute out.
    pub fn evaluate(self, rule: &ValueRule) -> Option<Value> {
        match rule {
            ValueRule::Int { slot } => self.int(*slot).map(Value::Int),
            ValueRule::Float { slot } => finite(self.float(*slot)?),
            ValueRule::Float32 { slot } => {
                finite(f64::from(f32::from_bits(self.bits(*slot)? as u32)))
            }
            ValueRule::Bool { slot } => self.bits(*slot).map(|bits| Value::Bool(bits != 0)),
            ValueRule::Text { slot } => self
                .text
                .filter(|(at, _)| at == slot)
                .map(|(_, text)| Value::Text(text.clone())),
            ValueRule::Enum { slot, names } => names
                .get(&self.int(*slot)?)
                .map(|name| Value::Text(name.clone())),
            ValueRule::OneOf { slot, values } => self
                .int(*slot)
                .map(|number| Value::Bool(values.contains(&number))),
            ValueRule::Reached {
                slot,
                limit,
                unless,
                except,
            } => {
                let (measured, limit) = (self.float(*slot)?, self.float(*limit)?);
                let excused = except.contains(&self.int(*unless)?);
                // An infinite limit is never reached; NaN says nothing at all.
                (!measured.is_nan() && !limit.is_nan())
                    .then(|| Value::Bool(limit.is_finite() && measured >= limit && !excused))
            }
            ValueRule::Quotient { slot, divisor } => {
                self.int(*slot)?.checked_div(*divisor).map(Value::Int)
            }
            ValueRule::Total { slots } => (slots.iter())
                .try_fold(0_i64, |sum, slot| {
                    Some(sum.saturating_add(self.int(*slot)?))
                })
                .map(Value::Int),
            ValueRule::Product { slots } => (slots.iter())
                .try_fold(1_i64, |product, slot| product.checked_mul(self.int(*slot)?))
                .map(Value::Int),
            ValueRule::Scaled {
                slot,
                offset,
                factor,
            } => scaled(self.int(*slot)?, self.float(*offset)?, self.float(*factor)?),
            ValueRule::Constant { text } => Some(Value::Text(text.clone())),
            ValueRule::Given { when, value } => {
                self.meets(when).then(|| self.evaluate(value)).flatten()
            }
        }
    }

    /// Whether a slot holds what a condition asks for.
    pub fn meets(self, condition: &Condition) -> bool {
        self.bits(condition.slot).is_some_and(|bits| {
            let number = (bits & condition.mask) as i64;
            condition.values.contains(&number) == condition.among
        })
    }

    /// The `error.type` of a native result that means failure.
    pub fn failure(self, rule: Option<&FailureRule>) -> Option<&str> {
        let rule = rule?;
        rule.errors.get(&self.int(rule.slot)?).map(String::as_str)
    }
}

/// A number of a scaled model in the units of the original one; the extremes are infinities.
fn scaled(number: i64, offset: f64, factor: f64) -> Option<Value> {
    let number = match number {
        i64::MIN => f64::NEG_INFINITY,
        i64::MAX => f64::INFINITY,
        number => number as f64,
    };
    let factor = if factor == 0.0 { 1.0 } else { factor };
    finite((number + offset) * factor)
}

fn finite(value: f64) -> Option<Value> {
    value.is_finite().then_some(Value::Float(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(rule: &ValueRule, values: &[(u32, u64)], expected: impl Into<Option<Value>>) {
        let text = (9, "default_lp".to_owned());
        let found = Slots {
            values,
            text: Some(&text),
        }
        .evaluate(rule);
        assert_eq!(found, expected.into());
    }

    #[test]
    fn numbers() {
        check(
            &ValueRule::Int { slot: 0 },
            &[(0, u64::MAX)],
            Some(Value::Int(-1)),
        );
        check(&ValueRule::Int { slot: 1 }, &[(0, 7)], None);
        check(
            &ValueRule::Float { slot: 0 },
            &[(0, 2.5f64.to_bits())],
            Some(Value::Float(2.5)),
        );
        check(
            &ValueRule::Float { slot: 0 },
            &[(0, f64::INFINITY.to_bits())],
            None,
        );
        let half = u64::from(0.5f32.to_bits()) | 0xdead_beef_0000_0000;
        check(
            &ValueRule::Float32 { slot: 0 },
            &[(0, half)],
            Some(Value::Float(0.5)),
        );
        check(
            &ValueRule::Float32 { slot: 0 },
            &[(0, u64::from(f32::NAN.to_bits()))],
            None,
        );
        check(
            &ValueRule::Quotient {
                slot: 0,
                divisor: 8,
            },
            &[(0, 24)],
            Some(Value::Int(3)),
        );
        let total = ValueRule::Total { slots: vec![0, 1] };
        check(&total, &[(0, 24), (1, u64::MAX)], Value::Int(23));
        check(&total, &[(0, 24)], None);
        let product = ValueRule::Product { slots: vec![0, 1] };
        check(&product, &[(0, 24), (1, u64::MAX)], Value::Int(-24));
        check(&product, &[(0, u64::MAX >> 1), (1, 2)], None);
        check(
            &ValueRule::Quotient {
                slot: 0,
                divisor: 0,
            },
            &[(0, 24)],
            None,
        );
    }

    #[test]
    fn texts_and_names() {
        check(&ValueRule::Text { slot: 9 }, &[], Some("default_lp".into()));
        check(&ValueRule::Text { slot: 8 }, &[], None);
        let names = BTreeMap::from([(4, "OPTIMAL".to_owned())]);
        check(
            &ValueRule::Enum {
                slot: 0,
                names: names.clone(),
            },
            &[(0, 4)],
            Some("OPTIMAL".into()),
        );
        check(&ValueRule::Enum { slot: 0, names }, &[(0, 5)], None);
    }

    #[test]
    fn truths() {
        check(
            &ValueRule::Bool { slot: 0 },
            &[(0, 2)],
            Some(Value::Bool(true)),
        );
        let found = ValueRule::OneOf {
            slot: 0,
            values: vec![2, 4],
        };
        check(&found, &[(0, 4)], Some(Value::Bool(true)));
        check(&found, &[(0, 3)], Some(Value::Bool(false)));
        check(&found, &[], None);
    }

    #[test]
    fn objectives_are_scaled_back() {
        let rule = ValueRule::Scaled {
            slot: 0,
            offset: 1,
            factor: 2,
        };
        let slots = |number: i64, offset: f64, factor: f64| {
            [
                (0, number as u64),
                (1, offset.to_bits()),
                (2, factor.to_bits()),
            ]
        };
        check(&rule, &slots(10, -4.0, 0.5), Value::Float(3.0));
        check(&rule, &slots(-10, 0.5, 0.0), Value::Float(-9.5));
        check(&rule, &slots(i64::MAX, 0.0, 1.0), None);
        check(&rule, &slots(i64::MIN, 0.0, -1.0), None);
        check(&rule, &slots(1, f64::NAN, 1.0), None);
        check(&rule, &slots(1, 0.0, 1.0)[..2], None);
    }

    #[test]
    fn conditions_compare_the_bits_that_count() {
        let given = |mask, values: &[i64], among| ValueRule::Given {
            when: Condition {
                slot: 0,
                mask,
                values: values.to_vec(),
                among,
            },
            value: Box::new(ValueRule::Int { slot: 1 }),
        };
        let slots = [(0, 0x1_0004), (1, 7)];
        check(&given(u64::MAX, &[0x1_0004], true), &slots, Value::Int(7));
        check(&given(0xffff, &[2, 4], true), &slots, Value::Int(7));
        check(&given(0xffff, &[2, 4], false), &slots, None);
        check(&given(u64::MAX, &[4], false), &slots, Value::Int(7));
        check(
            &given(u64::MAX, &[-1], true),
            &[(0, u64::MAX), (1, 7)],
            Value::Int(7),
        );
        check(&given(u64::MAX, &[0], false), &[(1, 7)], None);
    }

    #[test]
    fn a_limit_is_reached_unless_the_status_says_otherwise() {
        let rule = ValueRule::Reached {
            slot: 0,
            limit: 1,
            unless: 2,
            except: vec![4],
        };
        let slots = |wall: f64, limit: f64, status| {
            [(0, wall.to_bits()), (1, limit.to_bits()), (2, status)]
        };
        check(&rule, &slots(1.01, 1.0, 2), Some(Value::Bool(true)));
        check(&rule, &slots(1.01, 1.0, 4), Some(Value::Bool(false)));
        check(&rule, &slots(0.2, 1.0, 2), Some(Value::Bool(false)));
        check(
            &rule,
            &slots(0.2, f64::INFINITY, 2),
            Some(Value::Bool(false)),
        );
        check(&rule, &slots(0.2, f64::NAN, 2), None);
        check(&rule, &slots(1.01, 1.0, 2)[..2], None);
    }
}
