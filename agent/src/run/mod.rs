//! The engine behind attach, run and record: targets in, events through the core, spans out.

mod arming;
mod armory;
mod arrivals;
mod attached;
mod clock;
mod density;
mod discovery;
mod engine;
mod intake;
mod lives;
mod onlooker;
mod pace;
mod pipeline;
mod promoting;
mod promotion;
mod purse;
mod resolver;
mod sampling;
pub mod say;
mod session;
mod surveyor;
mod targets;
mod tempo;
mod tick_cost;
mod translate;

pub use arming::ArmingRules;
pub use engine::Stop;
pub use onlooker::{OffCpu, Onlooker, View};
pub use pipeline::Pipeline;
pub use resolver::{Outcomes, Resolver, StackSize};
pub use sampling::SamplingRules;
pub use session::{Begin, Held, Outcome, Plan, trace};
pub use surveyor::Surveyor;
