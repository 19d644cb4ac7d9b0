//! Frames that must be worked out each time: those of signals, of functions that realign their stack, and with an
//! unusual frame pointer.
//!
//! framehop evaluates expressions without reading memory, which the first need; and where it fails at any of them it
//! remembers a guess.

use gimli::{
    CfaRule, EndianSlice, EvaluationResult, Expression, LittleEndian, Location, Piece,
    RegisterRule, Value, X86_64,
};

use super::walk::{Registers, StackCopy};
use crate::object::Row;

/// Steps of one evaluation; the longest known expressions have five.
const MAX_STEPS: u32 = 64;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The caller's registers; `None` if they need what was not copied.
pub(super) fn caller(
    row: &Row<'_>,
    registers: Registers,
    stack: &StackCopy<'_>,
) -> Option<Registers> {
    let context = Context {
        row,
        registers,
        stack,
    };
    let frame = match row.rules.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            registers.get(*register)?.wrapping_add_signed(*offset)
        }
        CfaRule::Expression(expression) => {
            context.evaluate(expression.get(&row.section).ok()?, None)?
        }
    };
    let ip = context.restored(&row.rules.register(X86_64::RA)?, frame)?;
    let bp = match row.rules.register(X86_64::RBP) {
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => registers.bp,
        Some(rule) => context.restored(&rule, frame)?,
    };
    Some(Registers {
        ip,
        sp: frame,
        bp,
        bx: None,
    })
}

struct Context<'a> {
    row: &'a Row<'a>,
    registers: Registers,
    stack: &'a StackCopy<'a>,
}

impl<'a> Context<'a> {
    fn restored(&self, rule: &RegisterRule<usize>, frame: u64) -> Option<u64> {
        let address = match rule {
            RegisterRule::Offset(offset) => frame.wrapping_add_signed(*offset),
            RegisterRule::Expression(expression) => {
                self.evaluate(expression.get(&self.row.section).ok()?, Some(frame))?
            }
            _ => return None,
        };
        self.stack.word(address)
    }

    fn evaluate(&self, expression: Expression<Bytes<'a>>, frame: Option<u64>) -> Option<u64> {
        let mut evaluation = expression.evaluation(self.row.encoding);
        evaluation.set_max_iterations(MAX_STEPS);
        if let Some(frame) = frame {
            evaluation.set_initial_value(frame);
        }
        let mut result = evaluation.evaluate().ok()?;
        // Each turn answers one request of a bounded evaluation.
        for _ in 0..MAX_STEPS {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.registers.get(register)?);
                    evaluation.resume_with_register(value).ok()?
                }
                EvaluationResult::RequiresMemory {
                    address, size: 8, ..
                } => {
                    let value = Value::Generic(self.stack.word(address)?);
                    evaluation.resume_with_memory(value).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result() {
            [
                Piece {
                    location: Location::Address { address },
                    ..
                },
            ] => Some(*address),
            _ => None,
        }
    }
}
